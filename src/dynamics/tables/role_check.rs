//! Holds what a row declares of its columns against what becomes of them.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use crate::dynamics::decode::{Decoded, Source, page};
use crate::dynamics::wire::{Role, WireRow};

/// Takes each column out of a filled row: the fields that change are those that it is declared for,
/// and they are told as absent when nothing else feeds them.
#[track_caller]
pub(crate) fn check<S: Source<Row: Serialize>>(source: &S, row: &Value) {
    let whole = decode(source, row);
    assert_eq!((whole.notices.as_slice(), whole.absent.as_slice()), (&[][..], &[][..]));
    let filled = json(&whole);
    for (column, role, fields) in roles(source) {
        assert!(fields.iter().all(|field| filled.pointer(&pointer(field)).is_some()), "{column}");
        let found = decode(source, &without(row, &[column]));
        let fed: BTreeSet<_> = fields
            .iter()
            .filter(|field| role == Role::Feeds && feeding(source, field) == [column])
            .copied()
            .collect();
        if found.rows.is_empty() {
            assert_eq!((found.unreadable, found.absent.len()), (1, 0), "{column}");
            continue;
        }
        assert_eq!(found.absent.iter().copied().collect::<BTreeSet<_>>(), fed, "{column}");
        let changed = changed(&filled, &json(&found));
        assert!(
            changed.iter().all(|field| fields.contains(&field.as_str())),
            "{column}: {changed:?}"
        );
        assert!(fed.is_empty() || !changed.is_empty(), "{column} feeds nothing");
    }
    for field in roles(source).flat_map(|(_, _, fields)| fields) {
        let columns = feeding(source, field);
        let found = decode(source, &without(row, &columns));
        let told = found.absent.contains(field);
        assert_eq!(told, !columns.is_empty() && !found.rows.is_empty(), "{field}");
    }
}

fn decode<S: Source>(source: &S, row: &Value) -> Decoded<S::Row> {
    page(source, json!({ "value": [row] }).to_string().as_bytes()).unwrap()
}

fn json<R: Serialize>(page: &Decoded<R>) -> Value {
    serde_json::to_value(&page.rows[0]).unwrap()
}

fn pointer(field: &str) -> String {
    format!("/{}", field.replace('.', "/"))
}

/// The columns that are asked for.
fn roles<S: Source>(
    source: &S,
) -> impl Iterator<Item = (&'static str, Role, &'static [&'static str])> {
    let (columns, asked) = (<S::Wire<'static> as WireRow<'static>>::COLUMNS, source.select());
    let roles = <S::Wire<'static> as WireRow<'static>>::ROLES;
    assert_eq!(columns.len(), roles.len());
    let all = columns.iter().zip(roles).map(|(column, (role, fields))| (*column, *role, *fields));
    all.filter(move |(column, _, _)| asked.contains(column))
}

fn feeding<S: Source>(source: &S, field: &str) -> Vec<&'static str> {
    let feeds =
        |(_, role, fields): &(_, Role, &[&str])| *role == Role::Feeds && fields.contains(&field);
    roles(source).filter(feeds).map(|(column, _, _)| column).collect()
}

/// The row without columns and their annotations.
fn without(row: &Value, columns: &[&str]) -> Value {
    let stays = |name: &str| !columns.contains(&name.split('@').next().unwrap_or(name));
    let members = row.as_object().unwrap().iter().filter(|(name, _)| stays(name));
    Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// The fields with different values. A version made from the content says nothing of its own.
fn changed(one: &Value, other: &Value) -> Vec<String> {
    let mut changed = Vec::new();
    for (field, value) in one.as_object().unwrap() {
        match (value, &other[field]) {
            (before, after) if before == after || field == "version" => {}
            // Parts of a part count by themselves.
            (Value::Object(parts), Value::Object(after)) if field == "record_stage" => {
                let parts = parts.iter().filter(|(part, value)| after.get(*part) != Some(value));
                changed.extend(parts.map(|(part, _)| format!("{field}.{part}")));
            }
            _ => changed.push(field.clone()),
        }
    }
    changed
}
