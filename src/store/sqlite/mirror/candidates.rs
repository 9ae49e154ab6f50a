//! Opportunities joined with what deciding about them needs.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, Transaction, params_from_iter};

use crate::model::{
    AssignedStage, Candidate, Currency, Opportunity, OpportunityId, Presence, Stage,
    StageAssignment, User,
};
use crate::store::sqlite::codec::{Columns, Owner, integer, text};
use crate::store::sqlite::mirror::rows::{Mirrored, select_list};
use crate::store::sqlite::trouble::Trouble;

/// Reads opportunities in the order of their ids, joined.
pub(crate) fn read(
    tx: &Transaction<'_>,
    owner: &Owner,
    after: Option<&OpportunityId>,
    limit: u32,
) -> Result<Vec<Candidate>, Trouble> {
    let after = after.map_or("", OpportunityId::as_str);
    let base = base_currency(tx, owner)?;
    let mut statement = tx.prepare_cached(&joined())?;
    let values = owner.with([text(after), integer(limit.into())]);
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut candidate = read_candidate(row)?;
        candidate.base_currency.clone_from(&base);
        found.push(candidate);
    }
    let last = found.last().map(|candidate| candidate.opportunity.id.clone());
    if let Some(last) = last {
        let mut assigned = assignments(tx, owner, after, &last)?;
        for candidate in &mut found {
            let of_it = assigned.remove(&candidate.opportunity.id);
            candidate.assignments = of_it.unwrap_or_default();
        }
    }
    Ok(found)
}

fn joined() -> String {
    let join = |table: &str, alias: &str, id: &str| {
        format!(
            "LEFT JOIN {table} {alias} ON {alias}.workspace = o.workspace \
                 AND {alias}.connection = o.connection AND {alias}.id = {id} "
        )
    };
    format!(
        "SELECT {}, o.gone_at, o.missing_since, {}, {}, {}, a.name, p.name FROM opportunities o \
         {}{}{}{}{} \
         WHERE o.workspace = ? AND o.connection = ? AND o.id > ? ORDER BY o.id LIMIT ?",
        select_list::<Opportunity>("o"),
        select_list::<User>("u"),
        select_list::<Stage>("s"),
        select_list::<Currency>("c"),
        join("users", "u", "o.owner AND o.owner_kind = 'user'"),
        join("stages", "s", "o.record_stage"),
        join("currencies", "c", "o.currency"),
        join("accounts", "a", "o.of_account"),
        join("contacts", "p", "o.of_contact"),
    )
}

fn read_candidate(row: &Row<'_>) -> Result<Candidate, Trouble> {
    let mut columns = Columns::of(row);
    let mut candidate = Candidate::new(Opportunity::read(&mut columns)?);
    candidate.presence = presence(&mut columns)?;
    candidate.owner = User::read_joined(&mut columns)?;
    candidate.record_stage = Stage::read_joined(&mut columns)?;
    candidate.currency = Currency::read_joined(&mut columns)?;
    candidate.account_name = columns.maybe_text()?;
    candidate.contact_name = columns.maybe_text()?;
    Ok(candidate)
}

fn presence(columns: &mut Columns<'_>) -> Result<Presence, Trouble> {
    Ok(match (columns.maybe_time()?, columns.maybe_time()?) {
        (Some(since), _) => Presence::Gone { since },
        (None, Some(since)) => Presence::Missing { since },
        (None, None) => Presence::Seen,
    })
}

/// The stage assignments of a range of opportunities, by opportunity.
fn assignments(
    tx: &Transaction<'_>,
    owner: &Owner,
    after: &str,
    last: &OpportunityId,
) -> Result<BTreeMap<OpportunityId, Vec<AssignedStage>>, Trouble> {
    let mut statement = tx.prepare_cached(&format!(
        "SELECT {}, t.gone_at, t.missing_since, {} FROM stage_assignments t \
         LEFT JOIN stages s ON s.workspace = t.workspace AND s.connection = t.connection \
             AND s.id = t.stage \
         WHERE t.workspace = ? AND t.connection = ? AND t.opportunity > ? AND t.opportunity <= ? \
         ORDER BY t.opportunity, t.id",
        select_list::<StageAssignment>("t"),
        select_list::<Stage>("s"),
    ))?;
    let values = owner.with([text(after), text(last.as_str())]);
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found: BTreeMap<OpportunityId, Vec<AssignedStage>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        let assignment = StageAssignment::read(&mut columns)?;
        let presence = presence(&mut columns)?;
        let stage = Stage::read_joined(&mut columns)?;
        let of_it = found.entry(assignment.opportunity.clone()).or_default();
        of_it.push(AssignedStage { assignment, stage, presence });
    }
    Ok(found)
}

fn base_currency(tx: &Transaction<'_>, owner: &Owner) -> Result<Option<Currency>, Trouble> {
    tx.prepare_cached(&format!(
        "SELECT {} FROM currencies c WHERE workspace = ? AND connection = ? AND role = 'base' \
             AND gone_at IS NULL ORDER BY id LIMIT 1",
        select_list::<Currency>("c")
    ))?
    .query_row(params_from_iter(owner.values()), |row| Ok(Currency::read(&mut Columns::of(row))))
    .optional()?
    .transpose()
}
