//! Which CRM users or which stage a call means: by id, e-mail address or name, and never by a guess.

use std::slice;

use crate::assistant::arguments::refuse;
use crate::assistant::meaning::{LOOKED_AT, Meant, is_cut, meant};
use crate::assistant::words::{clipped, given, quoted};
use crate::error::{Error, Result};
use crate::model::query::{Found, MAX_LIMIT, Scope, StageQuery, UserQuery};
use crate::model::{ConnectionId, EmailAddress, Record, RecordId, Stage, User};
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
) -> Result<Vec<Found<User>>> {
    let Some(text) = given(text) else { return Ok(Vec::new()) };
    let words = |user: &User| (user.name.clone(), user.email.as_ref().map(ToString::to_string));
    let known = with_id(query, scope, text).await?;
    if known.len() == 1 || is_one_person(known.iter()) {
        return Ok(known);
    } else if !known.is_empty() {
        return Err(unclear("owner", "CRM user", text, &known, words));
    }
    let mut question = UserQuery::new(scope.clone());
    question.page.limit = MAX_LIMIT;
    if let Ok(email) = EmailAddress::new(text) {
        question.email = Some(email);
        let found = query.users(&question).await?.rows;
        if !found.is_empty() {
            return Ok(found);
        }
        question.email = None;
    }
    let near = query.nearest_users(scope, text, LOOKED_AT).await?.rows;
    let near = match meant(text, &near, LOOKED_AT) {
        Meant::One(one) => return Ok(vec![one.clone()]),
        Meant::SameName(several)
            if !is_cut(text, &near, LOOKED_AT) && is_one_person(several.iter().copied()) =>
        {
            return Ok(several.into_iter().cloned().collect());
        }
        Meant::SameName(several) | Meant::Close(several) => several.into_iter().cloned().collect(),
        Meant::Nothing => {
            question.name = Some(text.to_owned());
            let holding = query.users(&question).await?.rows;
            question.name = None;
            if holding.is_empty() { query.users(&question).await?.rows } else { holding }
        }
    };
    Err(unclear("owner", "CRM user", text, &near, words))
}

/// The stages that an argument means: one, or the same in several connections. None when it was left
/// out.
///
/// # Errors
/// As [`owners`].
pub(crate) async fn stages(
    query: &dyn Query,
    scope: &Scope,
    text: Option<&str>,
) -> Result<Vec<Found<Stage>>> {
    let Some(text) = given(text) else { return Ok(Vec::new()) };
    let words = |stage: &Stage| {
        (stage.name.clone(), stage.process.as_ref().and_then(|process| process.name.clone()))
    };
    let known = with_id(query, scope, text).await?;
    if is_one_stage(&known) {
        return Ok(known);
    } else if !known.is_empty() {
        return Err(unclear("stage", "stage", text, &known, words));
    }
    let (all, is_cut) = all_stages(query, scope).await?;
    let near: Vec<Found<Stage>> = match meant(text, &all, u32::MAX) {
        // Another of the name may be among those that were not read.
        Meant::One(one) if !is_cut => return Ok(vec![one.clone()]),
        Meant::One(one) => vec![one.clone()],
        Meant::SameName(several) | Meant::Close(several) => several.into_iter().cloned().collect(),
        Meant::Nothing => {
            let words = NameWords::new(text);
            let holds = |one: &&Found<Stage>| {
                one.row.name.as_deref().is_some_and(|name| words.are_in(&NameKey::new(name)))
            };
            let holding: Vec<_> = all.iter().filter(holds).cloned().collect();
            if holding.is_empty() { all } else { holding }
        }
    };
    let carries =
        |one: &Found<Stage>| matches!(meant(text, slice::from_ref(one), u32::MAX), Meant::One(_));
    if !is_cut && is_one_stage(&near) && near.iter().all(carries) {
        return Ok(near);
    }
    Err(unclear("stage", "stage", text, &near, words))
}

/// Whether stages are one: the same in every connection that has it, by id and by name.
fn is_one_stage(stages: &[Found<Stage>]) -> bool {
    let key = |one: &Found<Stage>| {
        let name = one.row.name.as_deref().map(|name| NameKey::new(name).folded().to_owned());
        (one.row.id.clone(), name)
    };
    stages.first().is_some_and(|first| stages.iter().all(|one| key(one) == key(first)))
}

/// Where the rows stand that were found: connection and id of each.
pub(crate) fn places<R: Record, Id: TryFrom<String, Error = Error>>(
    found: &[Found<R>],
) -> Result<Vec<(ConnectionId, Id)>> {
    let place = |one: &Found<R>| Ok((one.connection, Id::try_from(one.row.record_id().into())?));
    found.iter().map(place).collect()
}

/// ` owned by “Ada Adams”`, when somebody was asked for.
pub(crate) fn owned_by(owners: &[Found<User>]) -> String {
    let Some(first) = owners.first() else { return String::new() };
    format!(" owned by {}", quoted(first.row.name.as_deref().unwrap_or(first.row.id.as_str())))
}

/// ` at stage “Propose”`, when one was asked for.
pub(crate) fn at_stage(stages: &[Found<Stage>]) -> String {
    let Some(first) = stages.first() else { return String::new() };
    format!(" at stage {}", quoted(first.row.name.as_deref().unwrap_or(first.row.id.as_str())))
}

/// The stages in scope, by name, and whether there are more.
async fn all_stages(query: &dyn Query, scope: &Scope) -> Result<(Vec<Found<Stage>>, bool)> {
    let mut question = StageQuery::new(scope.clone());
    question.page.limit = MAX_LIMIT;
    let mut all = Vec::new();
    for _ in 0..MAX_PAGES {
        let page = query.stages(&question).await?;
        all.extend(page.rows);
        question.page.cursor = page.next;
        if question.page.cursor.is_none() {
            return Ok((all, false));
        }
    }
    Ok((all, true))
}

/// The rows that have a text for an id; else those that have it in small letters.
async fn with_id<R: Record>(query: &dyn Query, scope: &Scope, text: &str) -> Result<Vec<Found<R>>> {
    let connections = query.as_of(scope).await?;
    let mut found = Vec::new();
    for spelling in [text.to_owned(), text.to_ascii_lowercase()] {
        let Ok(id) = RecordId::new(spelling) else { break };
        let id = slice::from_ref(&id);
        for (connection, _) in &connections {
            let rows = query.rows(&scope.workspace, *connection, R::TABLE, id).await?;
            let rows = R::from_batch(rows).unwrap_or_default().into_iter();
            found.extend(rows.map(|row| Found { connection: *connection, row }));
        }
        if !found.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// Whether users have one e-mail address, which is one person's.
fn is_one_person<'a>(mut users: impl Iterator<Item = &'a Found<User>>) -> bool {
    let first = users.next().and_then(|user| user.row.email.as_ref());
    first.is_some() && users.all(|user| user.row.email.as_ref() == first)
}

/// What is said of rows that may be meant: each by its name, what tells it from others of its name,
/// and its id.
fn unclear<R: Record>(
    argument: &str,
    noun: &str,
    text: &str,
    near: &[Found<R>],
    words: impl Fn(&R) -> (Option<String>, Option<String>),
) -> Error {
    let Some(first) = near.first() else {
        return refuse(argument, &format!("no {noun} is known yet; leave it out"));
    };
    let ids: Vec<RecordId> = near.iter().map(|one| one.row.record_id()).collect();
    let is_twice = |id: &RecordId| ids.iter().filter(|other| *other == id).count() > 1;
    let listed = near.iter().zip(&ids).take(MAX_LISTED).map(|(found, id)| {
        let (name, detail) = words(&found.row);
        let name = quoted(name.as_deref().unwrap_or("one without a name"));
        let detail = detail.map_or_else(String::new, |detail| format!(" ({})", clipped(&detail)));
        let of = if is_twice(id) {
            format!(" of the connection {}", found.connection)
        } else {
            String::new()
        };
        format!("{name}{detail} with the id {id}{of}")
    });
    let listed = listed.collect::<Vec<_>>().join("; ");
    let more = if near.len() > MAX_LISTED { "; and others" } else { "" };
    let too =
        if is_twice(&first.row.record_id()) { ", with its connection as connection" } else { "" };
    let text = quoted(text);
    let good = first.row.record_id();
    let reason = format!(
        "no single {noun} is meant by {text}; there are {listed}{more}. Ask which one; a good \
         value is \"{good}\"{too}"
    );
    refuse(argument, &reason)
}
