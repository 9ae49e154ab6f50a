//! A row of which a part did not come: the schema drifted, and what is known must stay.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::{Record, RowVersion};

/// Gives the new row with these fields of the old one, and with a version that no CRM sends for it
/// ([`RowVersion::provisional`]), so that it is written again once the fields come again.
///
/// Fields go by their names in the row's JSON; a dot leads into a part, as in
/// `record_stage.label`. A name that the rows do not have changes nothing, and without any field the
/// new row stays as it is. Rows that have nothing in common but the id cannot be harmed: where the
/// fields do not fit, the new row stays, too.
///
/// [`RowVersion::provisional`]: crate::model::RowVersion::provisional
///
/// # Example
/// ```
/// use fluint_crm::model::{Account, AccountId, RowVersion};
/// use fluint_crm::storage::steps::keep_fields;
/// # fn main() -> fluint_crm::Result<()> {
/// let mut old = Account::new(AccountId::new("a1")?);
/// old.name = Some("Contoso".to_owned());
/// old.city = Some("Bonn".to_owned());
/// // The column of the city came with no row, so nothing is known of it.
/// let mut new = Account::new(AccountId::new("a1")?);
/// new.name = Some("Contoso Ltd".to_owned());
/// new.version = RowVersion::new(7);
///
/// let kept = keep_fields(new, &old, &["city"]);
/// assert_eq!(kept.name.as_deref(), Some("Contoso Ltd"));
/// assert_eq!(kept.city.as_deref(), Some("Bonn"));
/// assert_eq!(kept.version, RowVersion::new(7).provisional(&["city"]));
/// # Ok(()) }
/// ```
#[must_use]
pub fn keep_fields<R: Record + Serialize + DeserializeOwned>(
    new: R,
    old: &R,
    fields: &[&str],
) -> R {
    if fields.is_empty() {
        return new;
    }
    merge(&new, old, fields).unwrap_or(new)
}

/// What stands for a row next, of which these fields did not come: the row that is held when nothing
/// about it changed, else the new one with the fields of the held one.
#[must_use]
pub fn merge_drifted<R: Record + Serialize + DeserializeOwned>(
    new: R,
    held: Option<R>,
    absent: &[&str],
) -> R {
    match held {
        Some(held) if is_unchanged(held.version(), new.version(), absent) => held,
        Some(held) => keep_fields(new, &held, absent),
        None => keep_fields(new.clone(), &new, absent),
    }
}

/// Whether a row is held already. One that came in part is known by its provisional version, which
/// says what was absent.
#[must_use]
pub fn is_unchanged(held: RowVersion, came: RowVersion, absent: &[&str]) -> bool {
    held == came || (!absent.is_empty() && held == came.provisional(absent))
}

/// By way of JSON: drift is rare, and no field needs code of its own.
fn merge<R: Record + Serialize + DeserializeOwned>(new: &R, old: &R, fields: &[&str]) -> Option<R> {
    let mut merged = serde_json::to_value(new).ok()?;
    let old = serde_json::to_value(old).ok()?;
    for field in fields {
        let place = format!("/{}", field.replace('.', "/"));
        if let (Some(new), Some(old)) = (merged.pointer_mut(&place), old.pointer(&place)) {
            new.clone_from(old);
        }
    }
    let version = serde_json::to_value(new.version().provisional(fields)).ok()?;
    merged.as_object_mut()?.insert("version".to_owned(), version);
    serde_json::from_value(merged).ok()
}

#[cfg(test)]
mod tests;
