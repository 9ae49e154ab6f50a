//! Reads records by id, whatever their state: lists for many, a single read where the difference
//! between gone and hidden counts.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use uuid::Uuid;

use crate::connector::Lookup;
use crate::dynamics::call::Call;
use crate::dynamics::code::Code;
use crate::dynamics::decode::{BodyFault, Converted, Source, page, row};
use crate::dynamics::error::Failure;
use crate::dynamics::paging::operation;
use crate::dynamics::stages::Instances;
use crate::dynamics::tables::accounts::Accounts;
use crate::dynamics::tables::contacts::Contacts;
use crate::dynamics::tables::opportunities::Opportunities;
use crate::dynamics::tables::users::Users;
use crate::dynamics::web_api::WebApi;
use crate::error::{Error, Result};
use crate::model::{Record, RecordId};
use crate::walk::Notice;

/// Ids in one list: 500 of them take 22 KB of the 32 that a URL may have.
const LIST: usize = 500;

/// A table that can be asked for records by id.
pub(crate) trait ById: Source {
    /// Fields of a row, by their names in the model's JSON, that reading it by its id leaves open,
    /// whatever columns came: what is known of them from before must stay.
    fn unknown(&self, row: &Self::Row) -> Vec<&'static str> {
        let _ = row;
        Vec::new()
    }
}

impl ById for Accounts {}
impl ById for Contacts {}
impl ById for Instances {}
impl ById for Opportunities {}
impl ById for Users {}

/// One answer per id, in the order of `ids`.
///
/// In a list, gone and hidden look alike, so what is absent from it is hidden. Only a single read
/// tells them apart.
pub(crate) async fn lookup<S: ById>(
    api: &WebApi,
    source: &S,
    ids: &[RecordId],
) -> Result<Vec<Lookup>> {
    let answers = ask(api, source, &guids(ids)?).await;
    answers.map_err(|failure| failure.into_error(operation::<S>(), api.now()))
}

/// As [`lookup`], for records that may stand in any of several tables: gone only when every one of
/// them says so. A table that cannot be read is `None`; one that refuses because it is about nothing
/// of ours has no say.
pub(crate) async fn lookup_among<S: ById>(
    api: &WebApi,
    sources: &[Option<S>],
    ids: &[RecordId],
) -> Result<Vec<Lookup>> {
    let uuids = guids(ids)?;
    let hidden = || vec![Lookup::Hidden; ids.len()];
    let mut answers: Option<Vec<Lookup>> = None;
    for source in sources {
        let found = match source {
            Some(source) => match ask(api, source, &uuids).await {
                Ok(found) => found,
                Err(failure) => match degraded(source, &failure) {
                    Some(notices) if notices.is_empty() => continue,
                    Some(_) => hidden(),
                    None => return Err(failure.into_error(operation::<S>(), api.now())),
                },
            },
            None => hidden(),
        };
        answers = Some(match answers {
            Some(before) => before.into_iter().zip(found).map(clearer).collect(),
            None => found,
        });
    }
    // Without any table, or with a list of tables that may not be read, nothing is proved.
    Ok(answers.unwrap_or_else(hidden))
}

/// What a table has to say about a refusal that ends nothing but its own part.
fn degraded<S: Source>(source: &S, failure: &Failure) -> Option<Vec<Notice>> {
    match failure {
        Failure::Refused(refusal) => source.degrade(refusal),
        _ => None,
    }
}

async fn ask<S: ById>(api: &WebApi, source: &S, ids: &[Uuid]) -> Result<Vec<Lookup>, Failure> {
    if let [only] = ids {
        return Ok(vec![single(api, source, *only).await?]);
    }
    let mut found = BTreeMap::new();
    for chunk in ids.chunks(LIST) {
        let url = api.endpoints().web_api(&list_path(source, chunk)).map_err(Failure::Stopped)?;
        let response = api.send(&Call::read(operation::<S>(), url)).await?;
        found.extend(page_of(api, source, &response.body)?);
    }
    let answer = |uuid: &Uuid| {
        let id = RecordId::new(uuid.hyphenated().to_string()).ok();
        id.and_then(|id| found.remove(&id)).unwrap_or(Lookup::Hidden)
    };
    Ok(ids.iter().map(answer).collect())
}

/// The rows of a page, by their ids, each with what the page leaves open about it.
fn page_of<S: ById>(
    api: &WebApi,
    source: &S,
    body: &[u8],
) -> Result<Vec<(RecordId, Lookup)>, Failure> {
    let page = page(source, body).map_err(|fault| Failure::Stopped(unusable::<S>(api, fault)))?;
    let present = |row: S::Row| {
        let open = source.unknown(&row).into_iter();
        let absent: BTreeSet<_> = page.absent.iter().copied().chain(open).collect();
        let absent = absent.into_iter().map(Cow::Borrowed).collect();
        (row.record_id(), Lookup::Present { row: S::Row::batch(vec![row]), absent })
    };
    Ok(page.rows.into_iter().map(present).collect())
}

/// Of two tables' answers about one id, what both together prove.
fn clearer((one, other): (Lookup, Lookup)) -> Lookup {
    match (one, other) {
        (Lookup::Gone, Lookup::Gone) => Lookup::Gone,
        (Lookup::Gone | Lookup::Hidden, found) if found != Lookup::Gone => found,
        (Lookup::Hidden, _) => Lookup::Hidden,
        (found, _) => found,
    }
}

async fn single<S: ById>(api: &WebApi, source: &S, id: Uuid) -> Result<Lookup, Failure> {
    let path = format!("{}({id})?$select={}", source.set(), source.select().join(","));
    let url = api.endpoints().web_api(&path).map_err(Failure::Stopped)?;
    let response = match api.send(&Call::read(operation::<S>(), url)).await {
        Ok(response) => response,
        Err(Failure::Refused(refusal)) if refusal.is(Code::OBJECT_DOES_NOT_EXIST) => {
            return Ok(Lookup::Gone);
        }
        Err(Failure::Refused(refusal))
            if refusal.status == StatusCode::FORBIDDEN && refusal.concerns_one_table() =>
        {
            return Ok(Lookup::Hidden);
        }
        Err(failure) => return Err(failure),
    };
    let body = &response.body;
    match row(source, body).map_err(|fault| Failure::Stopped(unusable::<S>(api, fault)))? {
        Converted::Row(_) => {
            // As a page of one row: only there it is said which columns did not come.
            let page = [br#"{"value":["#, &**body, b"]}"].concat();
            let found = page_of(api, source, &page)?.pop();
            Ok(found.map_or(Lookup::Hidden, |(_, found)| found))
        }
        // It is there, but no longer about anything of ours.
        Converted::Foreign => Ok(Lookup::Gone),
        Converted::Unreadable => Ok(Lookup::Hidden),
    }
}

fn list_path<S: Source>(source: &S, ids: &[Uuid]) -> String {
    let list: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    format!(
        "{set}?$select={select}\
         &$filter=Microsoft.Dynamics.CRM.In(PropertyName=@p1,PropertyValues=@p2)\
         &@p1='{key}'&@p2=%5B{list}%5D",
        set = source.set(),
        select = source.select().join(","),
        key = source.key(),
        list = list.join(","),
    )
}

fn guids(ids: &[RecordId]) -> Result<Vec<Uuid>> {
    let no_guid = |_| Error::invalid_input("record id", "a Dynamics id is a GUID");
    ids.iter().map(|id| Uuid::try_parse(id.as_str()).map_err(no_guid)).collect()
}

fn unusable<S: Source>(api: &WebApi, fault: BodyFault) -> Error {
    match fault {
        BodyFault::Refused(refusal) => refusal.into_error(operation::<S>(), api.now()),
        BodyFault::Unexpected { detail, source } => {
            Error::UnexpectedResponse { operation: operation::<S>(), detail, source }
        }
    }
}

#[cfg(test)]
mod tests;
