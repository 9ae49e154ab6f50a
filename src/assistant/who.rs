//! Which CRM users or which stage a call means: by id, e-mail address or name, and never by a guess.

use std::collections::BTreeSet;

use crate::assistant::arguments::refuse;
use crate::assistant::meaning::{LOOKED_AT, Meant, meant};
use crate::assistant::words::{clipped, given};
use crate::error::{Error, Result};
use crate::model::query::{Found, MAX_LIMIT, Scope, StageQuery, UserQuery};
use crate::model::{EmailAddress, Record, RecordId, Stage, StageId, User, UserId};
use crate::rules::{NameKey, NameWords};
use crate::storage::Query;

/// The most pages of stages that are read: 2,000 of them.
const MAX_PAGES: usize = 10;

/// The most choices that a refusal lists.
const MAX_LISTED: usize = 5;

/// The CRM users that an argument means: one, or several with one e-mail address, for a person may
/// be a user of several CRMs. None when it was left out.
///
/// # Errors
/// [`Error::InvalidInput`](crate::Error::InvalidInput) naming those that may be meant, when it is not
/// clear who is; [`Error::Store`](crate::Error::Store).
pub(crate) async fn owners(
    query: &dyn Query,
    scope: &Scope,
    text: Option<&str>,
) -> Result<Vec<UserId>> {
    let Some(text) = given(text) else { return Ok(Vec::new()) };
    if let Some(user) = known_id::<User>(query, scope, text).await? {
        return Ok(vec![user.id]);
    }
    if let Ok(email) = EmailAddress::new(text) {
        let mut question = UserQuery::new(scope.clone());
        question.email = Some(email);
        question.page.limit = MAX_LIMIT;
        let found = query.users(&question).await?.rows;
        if !found.is_empty() {
            return Ok(ids(&found));
        }
    }
    let near = first_of_each(query.nearest_users(scope, text, LOOKED_AT).await?.rows);
    let near = match meant(text, &near) {
        Meant::One(one) => return Ok(vec![one.row.id.clone()]),
        Meant::SameName(several) if is_one_person(&several) => return Ok(ids(several)),
        Meant::SameName(several) | Meant::Close(several) => several.into_iter().cloned().collect(),
        Meant::Nothing => {
            let mut question = UserQuery::new(scope.clone());
            question.page.limit = MAX_LIMIT;
            question.name = Some(text.to_owned());
            let holding = query.users(&question).await?.rows;
            question.name = None;
            if holding.is_empty() { query.users(&question).await?.rows } else { holding }
        }
    };
    Err(unclear("owner", "CRM user", text, &near, |user| {
        (&user.name, user.email.as_ref().map(ToString::to_string))
    }))
}

/// The stage that an argument means; `None` when it was left out.
///
/// # Errors
/// As [`owners`].
pub(crate) async fn stage(
    query: &dyn Query,
    scope: &Scope,
    text: Option<&str>,
) -> Result<Option<StageId>> {
    let Some(text) = given(text) else { return Ok(None) };
    if let Some(stage) = known_id::<Stage>(query, scope, text).await? {
        return Ok(Some(stage.id));
    }
    let all = first_of_each(stages(query, scope).await?);
    let near: Vec<Found<Stage>> = match meant(text, &all) {
        Meant::One(one) => return Ok(Some(one.row.id.clone())),
        Meant::SameName(several) | Meant::Close(several) => several.into_iter().cloned().collect(),
        Meant::Nothing => {
            let words = NameWords::new(text);
            let holds = |one: &&Found<Stage>| {
                let name = one.row.name.as_deref().map(NameKey::new);
                name.is_some_and(|name| words.are_in(&name))
            };
            let holding: Vec<_> = all.iter().filter(holds).cloned().collect();
            if holding.is_empty() { all } else { holding }
        }
    };
    let process = |stage: &Stage| stage.process.as_ref().and_then(|process| process.name.clone());
    Err(unclear("stage", "stage", text, &near, |stage| (&stage.name, process(stage))))
}

/// The stages in scope, by name.
async fn stages(query: &dyn Query, scope: &Scope) -> Result<Vec<Found<Stage>>> {
    let mut question = StageQuery::new(scope.clone());
    question.page.limit = MAX_LIMIT;
    let mut all = Vec::new();
    for _ in 0..MAX_PAGES {
        let page = query.stages(&question).await?;
        all.extend(page.rows);
        question.page.cursor = page.next;
        if question.page.cursor.is_none() {
            break;
        }
    }
    Ok(all)
}

/// The row that has a text for an id, also when its letters were written large.
async fn known_id<R: Record>(query: &dyn Query, scope: &Scope, text: &str) -> Result<Option<R>> {
    let spellings = [text.to_owned(), text.to_ascii_lowercase()];
    let ids: Vec<RecordId> =
        spellings.into_iter().filter_map(|id| RecordId::new(id).ok()).collect();
    for (connection, _) in query.as_of(scope).await? {
        let rows = query.rows(&scope.workspace, connection, R::TABLE, &ids).await?;
        if let Some(row) = R::from_batch(rows).and_then(|rows| rows.into_iter().next()) {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// The same id in two connections is one.
fn first_of_each<R: Record>(rows: Vec<Found<R>>) -> Vec<Found<R>> {
    let mut seen = BTreeSet::new();
    rows.into_iter().filter(|found| seen.insert(found.row.record_id())).collect()
}

/// Whether users have one e-mail address, which is one person's.
fn is_one_person(users: &[&Found<User>]) -> bool {
    let mut emails = users.iter().map(|user| &user.row.email);
    emails.next().is_some_and(|first| first.is_some() && emails.all(|email| email == first))
}

fn ids<'a>(users: impl IntoIterator<Item = &'a Found<User>>) -> Vec<UserId> {
    let ids: BTreeSet<&UserId> = users.into_iter().map(|found| &found.row.id).collect();
    ids.into_iter().cloned().collect()
}

/// What is said of rows that may be meant: each by its name, what tells it from others of its name,
/// and its id.
fn unclear<R: Record>(
    argument: &str,
    noun: &str,
    text: &str,
    near: &[Found<R>],
    words: impl Fn(&R) -> (&Option<String>, Option<String>),
) -> Error {
    let Some(first) = near.first() else {
        return refuse(argument, &format!("no {noun} is known yet; leave it out"));
    };
    let listed = near.iter().take(MAX_LISTED).map(|found| {
        let (name, detail) = words(&found.row);
        let name = clipped(name.as_deref().unwrap_or("one without a name"));
        let detail = detail.map_or_else(String::new, |detail| format!(" ({})", clipped(&detail)));
        format!("{name}{detail}: {}", found.row.record_id())
    });
    let listed = listed.collect::<Vec<_>>().join("; ");
    let more = if near.len() > MAX_LISTED { "; and others" } else { "" };
    let text = clipped(text);
    let good = first.row.record_id();
    let reason = format!(
        "no single {noun} is meant by “{text}”; there are {listed}{more}. Ask which one; a good \
         value is \"{good}\""
    );
    refuse(argument, &reason)
}
