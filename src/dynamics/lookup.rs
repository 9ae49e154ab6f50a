//! Reads records by id, whatever their state: lists for many, a single read where the difference
//! between gone and hidden counts.

use std::collections::BTreeMap;

use http::StatusCode;
use uuid::Uuid;

use crate::connector::Lookup;
use crate::dynamics::call::Call;
use crate::dynamics::decode::{BodyFault, Converted, Source, page, row};
use crate::dynamics::error::{Code, Failure};
use crate::dynamics::paging::operation;
use crate::dynamics::web_api::WebApi;
use crate::error::{Error, Result};
use crate::model::{Record, RecordId};

/// Ids in one list: 500 of them take 22 KB of the 32 that a URL may have.
const LIST: usize = 500;

/// One answer per id, in the order of `ids`.
///
/// In a list, gone and hidden look alike, so what is absent from it is hidden. Only a single read
/// tells them apart.
pub(crate) async fn lookup<S: Source>(
    api: &WebApi,
    source: &S,
    ids: &[RecordId],
) -> Result<Vec<Lookup>> {
    let uuids = ids.iter().map(guid).collect::<Result<Vec<_>>>()?;
    if let [only] = uuids.as_slice() {
        return Ok(vec![single(api, source, *only).await?]);
    }
    let mut found = BTreeMap::new();
    for chunk in uuids.chunks(LIST) {
        let path = list_path(source, chunk);
        let response = api.read(operation::<S>(), &path).await?;
        let rows = page(source, &response.body).map_err(|fault| unusable::<S>(api, fault))?.rows;
        found.extend(rows.into_iter().map(|row| (row.record_id(), row)));
    }
    let answer = |uuid: &Uuid| {
        let id = RecordId::new(uuid.hyphenated().to_string()).ok();
        id.and_then(|id| found.remove(&id)).map_or(Lookup::Hidden, present)
    };
    Ok(uuids.iter().map(answer).collect())
}

/// As [`lookup`], for records that may stand in any of several tables: gone only when every one of
/// them says so. A table that cannot be read is `None`.
pub(crate) async fn lookup_among<S: Source>(
    api: &WebApi,
    sources: &[Option<S>],
    ids: &[RecordId],
) -> Result<Vec<Lookup>> {
    let mut answers: Option<Vec<Lookup>> = None;
    for source in sources {
        let found = match source {
            Some(source) => lookup(api, source, ids).await?,
            None => vec![Lookup::Hidden; ids.len()],
        };
        answers = Some(match answers {
            Some(before) => before.into_iter().zip(found).map(clearer).collect(),
            None => found,
        });
    }
    // Without any table, or with a list of tables that may not be read, nothing is proved.
    Ok(answers.unwrap_or_else(|| vec![Lookup::Hidden; ids.len()]))
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

async fn single<S: Source>(api: &WebApi, source: &S, id: Uuid) -> Result<Lookup> {
    let path = format!("{}({id})?$select={}", source.set(), source.select().join(","));
    let call = Call::read(operation::<S>(), api.endpoints().web_api(&path)?);
    match api.send(&call).await {
        Ok(response) => {
            match row(source, &response.body).map_err(|fault| unusable::<S>(api, fault))? {
                Converted::Row(row) => Ok(present(row)),
                // It is there, but no longer about anything of ours.
                Converted::Foreign => Ok(Lookup::Gone),
                Converted::Unreadable => Ok(Lookup::Hidden),
            }
        }
        Err(Failure::Refused(refusal)) if refusal.is(Code::OBJECT_DOES_NOT_EXIST) => {
            Ok(Lookup::Gone)
        }
        Err(Failure::Refused(refusal))
            if refusal.status == StatusCode::FORBIDDEN && refusal.concerns_one_table() =>
        {
            Ok(Lookup::Hidden)
        }
        Err(failure) => Err(failure.into_error(call.operation.clone(), api.now())),
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

fn guid(id: &RecordId) -> Result<Uuid> {
    Uuid::try_parse(id.as_str())
        .map_err(|_| Error::invalid_input("record id", "a Dynamics id is a GUID"))
}

fn present<R: Record>(row: R) -> Lookup {
    Lookup::Present(R::batch(vec![row]))
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
