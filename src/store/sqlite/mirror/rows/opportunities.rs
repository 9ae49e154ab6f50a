//! Opportunities.

use rusqlite::Transaction;

use crate::model::{
    AccountId, ContactId, CurrencyId, Opportunity, ProcessId, RecordStage, StageId,
};
use crate::store::sqlite::codec::{
    Columns, Owner, Values, maybe_amount, maybe_date, maybe_integer, maybe_text, maybe_time,
    owned_text, text,
};
use crate::store::sqlite::mirror::rows::customers::{customer, read_customer};
use crate::store::sqlite::mirror::rows::{Mirrored, name_key, owner, read_owner, version};
use crate::store::sqlite::mirror::standing;
use crate::store::sqlite::trouble::Trouble;
use crate::store::sqlite::words::Word;

impl Mirrored for Opportunity {
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "name_key",
        "owner_kind",
        "owner",
        "status",
        "status_reason",
        "customer_kind",
        "customer",
        "account",
        "contact",
        "of_account",
        "of_contact",
        "record_stage",
        "record_process",
        "record_label",
        "value",
        "base_value",
        "currency",
        "close_date",
        "closed_on",
        "probability",
        "created_at",
        "modified_at",
    ];

    const DERIVED: &'static [&'static str] = &["stage"];

    fn bind_derived<'a>(
        &'a self,
        tx: &Transaction<'_>,
        owner: &Owner,
        values: &mut Values<'a>,
    ) -> Result<(), Trouble> {
        values.push(match standing::assigned(tx, owner, &self.id)? {
            Some(stage) => owned_text(stage),
            None => maybe_text(self.record_stage.stage.as_ref().map(StageId::as_str)),
        });
        Ok(())
    }

    fn bind<'a>(&'a self, values: &mut Values<'a>) -> Result<(), Trouble> {
        let [owner_kind, owner] = owner(self.owner.as_ref());
        let [customer_kind, customer] = customer(self.customer.as_ref());
        values.extend([
            maybe_text(self.name.as_deref()),
            name_key(self.name.as_deref()),
            owner_kind,
            owner,
            text(self.status.as_word()),
            maybe_text(self.status_reason.as_deref()),
            customer_kind,
            customer,
            maybe_text(self.account.as_ref().map(AccountId::as_str)),
            maybe_text(self.contact.as_ref().map(ContactId::as_str)),
            maybe_text(self.account().map(AccountId::as_str)),
            maybe_text(self.contact().map(ContactId::as_str)),
            maybe_text(self.record_stage.stage.as_ref().map(StageId::as_str)),
            maybe_text(self.record_stage.process.as_ref().map(ProcessId::as_str)),
            maybe_text(self.record_stage.label.as_deref()),
            maybe_amount(self.value),
            maybe_amount(self.base_value),
            maybe_text(self.currency.as_ref().map(CurrencyId::as_str)),
            maybe_date(self.close_date),
            maybe_date(self.closed_on),
            maybe_integer(self.probability),
            maybe_time(self.created_at),
            maybe_time(self.modified_at),
        ]);
        Ok(())
    }

    fn read(columns: &mut Columns<'_>) -> Result<Self, Trouble> {
        let mut opportunity = Self::new(columns.id()?);
        opportunity.version = version(columns)?;
        opportunity.name = columns.maybe_text()?;
        columns.skip(1);
        opportunity.owner = read_owner(columns)?;
        opportunity.status = columns.word()?;
        opportunity.status_reason = columns.maybe_text()?;
        opportunity.customer = read_customer(columns)?;
        opportunity.account = columns.maybe_id()?;
        opportunity.contact = columns.maybe_id()?;
        columns.skip(2);
        opportunity.record_stage = RecordStage {
            stage: columns.maybe_id()?,
            process: columns.maybe_id()?,
            label: columns.maybe_text()?,
        };
        opportunity.value = columns.maybe_amount()?;
        opportunity.base_value = columns.maybe_amount()?;
        opportunity.currency = columns.maybe_id()?;
        opportunity.close_date = columns.maybe_date()?;
        opportunity.closed_on = columns.maybe_date()?;
        opportunity.probability = columns.maybe_small()?;
        opportunity.created_at = columns.maybe_time()?;
        opportunity.modified_at = columns.maybe_time()?;
        Ok(opportunity)
    }
}
