//! Which CRM user or stage a call means: by id, e-mail address or name, and never by a guess.

use time::OffsetDateTime;

use crate::assistant::arguments::refuse;
use crate::assistant::words::{clipped, given};
use crate::error::Result;
use crate::model::query::Scope;
use crate::model::{ConnectionId, RecordId, Rows, StageId, Table, UserId};
use crate::rules::{NameKey, Resolved, resolve};
use crate::storage::Query;

/// Rows read at once.
const PAGE: u32 = 500;

/// The most pages read of one connection: beyond 10,000 users, only an id is found.
const MAX_PAGES: usize = 20;

/// The most choices that a refusal lists.
const MAX_LISTED: usize = 5;

/// A user or stage that may be meant.
struct One {
    id: String,
    name: Option<String>,
    /// What tells it from others of its name: the e-mail address, or the process.
    detail: Option<String>,
}

/// The CRM user that an argument means.
///
/// # Errors
/// [`Error::InvalidInput`](crate::Error::InvalidInput) naming those that may be meant, when it is not
/// exactly one; [`Error::Store`](crate::Error::Store).
pub(crate) async fn owner(
    query: &dyn Query,
    scope: &Scope,
    text: Option<&str>,
) -> Result<Option<UserId>> {
    let Some(text) = given(text) else { return Ok(None) };
    let found = find(query, scope, Table::Users, "owner", "CRM user", text).await?;
    found.map(UserId::try_from).transpose()
}

/// The stage that an argument means.
///
/// # Errors
/// As [`owner`].
pub(crate) async fn stage(
    query: &dyn Query,
    scope: &Scope,
    text: Option<&str>,
) -> Result<Option<StageId>> {
    let Some(text) = given(text) else { return Ok(None) };
    let found = find(query, scope, Table::Stages, "stage", "stage", text).await?;
    found.map(StageId::try_from).transpose()
}

async fn find(
    query: &dyn Query,
    scope: &Scope,
    table: Table,
    argument: &str,
    noun: &str,
    text: &str,
) -> Result<Option<String>> {
    let connections = query.as_of(scope).await?;
    if let Ok(id) = RecordId::new(text) {
        let ids = std::slice::from_ref(&id);
        for (connection, _) in &connections {
            if !query.rows(&scope.workspace, *connection, table, ids).await?.is_empty() {
                return Ok(Some(text.to_owned()));
            }
        }
    }
    let (all, is_cut) = all(query, scope, &connections, table).await?;
    let of = |id: &str| all.iter().find(|one| one.id == id);
    let same = all.iter().find(|one| one.id.eq_ignore_ascii_case(text));
    if let Some(one) = same {
        return Ok(Some(one.id.clone()));
    }
    let is_it = |detail: &str| table == Table::Users && detail.eq_ignore_ascii_case(text);
    let by_email: Vec<&One> =
        all.iter().filter(|one| one.detail.as_deref().is_some_and(is_it)).collect();
    if let [one] = by_email[..] {
        return Ok(Some(one.id.clone()));
    }
    let names = all.iter().filter_map(|one| Some((one.id.as_str(), one.name.as_deref()?)));
    let near: Vec<&One> = match resolve(text, names) {
        Resolved::Exact(one) if by_email.is_empty() => return Ok(Some(one.id.to_owned())),
        Resolved::Exact(one) => of(one.id).into_iter().collect(),
        Resolved::SameName(near) | Resolved::Close(near) => {
            near.iter().filter_map(|one| of(one.id)).collect()
        }
        // Whoever types one word of a name, or something else altogether.
        Resolved::Nothing => {
            let holding: Vec<&One> = all.iter().filter(|one| one.holds(text)).collect();
            if holding.is_empty() { all.iter().collect() } else { holding }
        }
    };
    let near = if by_email.is_empty() { near } else { by_email };
    Err(refuse(argument, &unclear(noun, text, &near, is_cut)))
}

fn unclear(noun: &str, text: &str, near: &[&One], is_cut: bool) -> String {
    let text = clipped(text);
    let Some(first) = near.first() else {
        return format!("no {noun} is known yet; leave it out");
    };
    let listed: Vec<String> = near.iter().take(MAX_LISTED).map(|one| one.words()).collect();
    let more = near.len().saturating_sub(MAX_LISTED);
    let more = match more {
        0 if is_cut => "; and others that were not looked at".to_owned(),
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!(
        "no single {noun} is meant by “{text}”; there are {}{more}. Ask which one; a good value is \
         \"{}\"",
        listed.join("; "),
        first.id
    )
}

impl One {
    fn words(&self) -> String {
        let name = clipped(self.name.as_deref().unwrap_or("one without a name"));
        match &self.detail {
            Some(detail) => format!("{name} ({}): {}", clipped(detail), self.id),
            None => format!("{name}: {}", self.id),
        }
    }

    /// Whether the name holds a text, folded.
    fn holds(&self, text: &str) -> bool {
        let text = NameKey::new(text);
        let name = self.name.as_deref().map(NameKey::new);
        !text.folded().is_empty() && name.is_some_and(|name| name.folded().contains(text.folded()))
    }
}

/// The users or stages in scope, and whether there are more than were read. The same id in two
/// connections is one.
async fn all(
    query: &dyn Query,
    scope: &Scope,
    connections: &[(ConnectionId, Option<OffsetDateTime>)],
    table: Table,
) -> Result<(Vec<One>, bool)> {
    let (mut all, mut is_cut) = (Vec::new(), false);
    for &(connection, _) in connections {
        let mut after: Option<RecordId> = None;
        for page in 0.. {
            if page == MAX_PAGES {
                is_cut = true;
                break;
            }
            let rows =
                query.scan(&scope.workspace, connection, table, after.as_ref(), PAGE).await?;
            let rows = ones(rows);
            let Some(last) = rows.last() else { break };
            after = Some(RecordId::new(last.id.as_str())?);
            all.extend(rows);
        }
    }
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all.dedup_by(|a, b| a.id == b.id);
    Ok((all, is_cut))
}

fn ones(rows: Rows) -> Vec<One> {
    match rows {
        Rows::Users(users) => users
            .into_iter()
            .map(|user| One {
                id: user.id.as_str().to_owned(),
                name: user.name,
                detail: user.email.map(|email| email.as_str().to_owned()),
            })
            .collect(),
        Rows::Stages(stages) => stages
            .into_iter()
            .map(|stage| One {
                id: stage.id.as_str().to_owned(),
                name: stage.name,
                detail: stage.process.and_then(|process| process.name),
            })
            .collect(),
        _ => Vec::new(),
    }
}
