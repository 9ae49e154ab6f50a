//! Which column of the store's schema a plain row fills with what.

use anyhow::Result;
use rusqlite::types::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::client::fill::Binder;
use crate::client::rows::{Account, Contact, Instance, Opportunity};

/// A row that knows its table.
pub(crate) trait Fill {
    const TABLE: &'static str;
    const COLUMNS: &'static str;
    fn bind(&self, to: &mut Binder<'_, '_>) -> Result<()>;
}

impl Fill for Account {
    const TABLE: &'static str = "accounts";
    const COLUMNS: &'static str = "workspace, connection, id, version, name, name_key, website, \
        email, phone, employees, city, country, parent, primary_contact, owner_kind, owner, \
        status, created_at, modified_at";

    fn bind(&self, to: &mut Binder<'_, '_>) -> Result<()> {
        to.begin(&self.id, self.version)?
            .put(&self.name)?
            .put(self.name.as_ref().map(|name| name.to_lowercase()))?
            .put(&self.website)?
            .put(&self.email)?
            .put(&self.phone)?
            .put(self.employees)?
            .put(&self.city)?
            .put(&self.country)?
            .put_id(&self.parent)?
            .put_id(&self.primary_contact)?
            .put("user")?
            .put_id(&self.owner)?
            .put("active")?
            .put(micros(&self.created_at))?
            .put(micros(&self.modified_at))?;
        Ok(())
    }
}

impl Fill for Contact {
    const TABLE: &'static str = "contacts";
    const COLUMNS: &'static str = "workspace, connection, id, version, name, name_key, emails, \
        phone, job_title, department, parent_kind, parent, owner_kind, owner, status, created_at, \
        modified_at";

    fn bind(&self, to: &mut Binder<'_, '_>) -> Result<()> {
        let emails: Vec<&String> =
            [&self.email1, &self.email2, &self.email3].into_iter().flatten().collect();
        to.begin(&self.id, self.version)?
            .put(&self.name)?
            .put(self.name.as_ref().map(|name| name.to_lowercase()))?
            .put(serde_json::to_string(&emails)?)?
            .put(&self.phone)?
            .put(&self.job_title)?
            .put(&self.department)?
            .put(&self.parent_table)?
            .put_id(&self.parent)?
            .put("user")?
            .put_id(&self.owner)?
            .put("active")?
            .put(micros(&self.created_at))?
            .put(micros(&self.modified_at))?;
        Ok(())
    }
}

impl Fill for Opportunity {
    const TABLE: &'static str = "opportunities";
    const COLUMNS: &'static str = "workspace, connection, id, version, name, name_key, \
        owner_kind, owner, status, status_reason, customer_kind, customer, account, contact, \
        of_account, of_contact, record_stage, record_process, record_label, value, base_value, \
        currency, close_date, closed_on, probability, created_at, modified_at";

    fn bind(&self, to: &mut Binder<'_, '_>) -> Result<()> {
        to.begin(&self.id, self.version)?
            .put(&self.name)?
            .put(self.name.as_ref().map(|name| name.to_lowercase()))?
            .put("user")?
            .put_id(&self.owner)?
            .put("open")?
            .put("In Progress")?
            .put(&self.customer_table)?
            .put_id(&self.customer)?
            .put_id(&self.account)?
            .put_id(&self.contact)?
            .put_id(&self.account)?
            .put_id(&self.contact)?
            .put_id(&self.stage)?
            .put_id(&self.process)?
            .put(&self.step_name)?
            .put(money(self.estimate))?
            .put(money(self.estimate_base))?
            .put_id(&self.currency)?
            .put(&self.close_date)?
            .put(&self.closed_on)?
            .put(self.probability)?
            .put(micros(&self.created_at))?
            .put(micros(&self.modified_at))?;
        Ok(())
    }
}

impl Fill for Instance {
    const TABLE: &'static str = "stage_assignments";
    const COLUMNS: &'static str = "workspace, connection, id, version, opportunity, process, \
        stage, state, since, modified_at, origin";

    fn bind(&self, to: &mut Binder<'_, '_>) -> Result<()> {
        to.begin(&self.id, self.version)?
            .put_id(&self.opportunity)?
            .put_id(&self.process)?
            .put_id(&self.stage)?
            .put("active")?
            .put(micros(&self.since))?
            .put(micros(&self.modified_at))?
            .put("opportunitysalesprocess")?;
        Ok(())
    }
}

fn micros(text: &Option<String>) -> Option<i64> {
    let moment = OffsetDateTime::parse(text.as_ref()?, &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000).ok()
}

/// Sixteen bytes, as the store keeps amounts.
fn money(amount: Option<f64>) -> Option<Value> {
    let amount: i128 = format!("{:.0}", amount? * 10_000.0).parse().ok()?;
    Some(Value::Blob((amount ^ i128::MIN).to_be_bytes().to_vec()))
}
