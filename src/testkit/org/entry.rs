//! One row that is being added.

use rust_decimal::Decimal;
use time::Date;
use uuid::Uuid;

use crate::testkit::dataverse::Closing;
use crate::testkit::dataverse::cell::Cell;
use crate::testkit::org::{OrgBuilder, Process};

/// A row of an [`OrgBuilder`], open for more values.
///
/// Setters of columns that the table does not have do nothing.
#[derive(Debug)]
pub struct Entry<'a> {
    builder: &'a mut OrgBuilder,
    table: String,
    id: Uuid,
}

#[expect(
    clippy::return_self_not_must_use,
    clippy::must_use_candidate,
    reason = "the row is added already; a chain may end anywhere"
)]
impl<'a> Entry<'a> {
    pub(crate) fn new(builder: &'a mut OrgBuilder, table: &str, id: Uuid) -> Self {
        Self { builder, table: table.to_owned(), id }
    }

    /// The row's id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Sets a column by its logical name.
    pub fn set(self, column: &str, value: impl Into<Cell>) -> Self {
        self.builder.org.set(&self.table, self.id, column, value.into());
        self
    }

    /// Makes a user the owner.
    pub fn owned_by(self, user: Uuid) -> Self {
        let user = Cell::lookup("systemuser", user);
        self.set("owningteam", Cell::Null).set("owninguser", user.clone()).set("ownerid", user)
    }

    /// Makes a team the owner.
    pub fn owned_by_team(self, team: Uuid) -> Self {
        let team = Cell::lookup("team", team);
        self.set("owninguser", Cell::Null).set("owningteam", team.clone()).set("ownerid", team)
    }

    /// Sets the estimated value in the base currency.
    pub fn worth(self, amount: &str) -> Self {
        let amount = Cell::money(amount);
        self.set("estimatedvalue", amount.clone()).set("estimatedvalue_base", amount)
    }

    /// Sets the estimated value in another currency, at its rate of now.
    pub fn worth_in(self, amount: &str, currency: Uuid) -> Self {
        let table = self.builder.org.table_named("transactioncurrency");
        let row = table.and_then(|table| table.row(currency));
        let rate = row.and_then(|row| row.named("exchangerate").number()).unwrap_or(Decimal::ONE);
        let money = Cell::money(amount);
        let base = money.number().and_then(|amount| amount.checked_div(rate));
        let base = base.map_or(Cell::Null, |base| Cell::money(&base.round_dp(4).to_string()));
        self.set("transactioncurrencyid", Cell::lookup("transactioncurrency", currency))
            .set("exchangerate", rate)
            .set("estimatedvalue", money)
            .set("estimatedvalue_base", base)
    }

    /// Sets the day on which the deal is expected to close.
    pub fn closing_on(self, day: Date) -> Self {
        self.set("estimatedclosedate", day)
    }

    /// Puts an opportunity into a stage of a process: an instance row and the deprecated columns.
    ///
    /// A stage number that the process does not have leaves it without one.
    pub fn in_stage(self, process: &Process, stage: usize) -> Self {
        let Some(stage) = process.stages.get(stage).copied() else {
            return self;
        };
        let opportunity = self.id;
        let instances = process.table.clone();
        self.builder
            .add(&instances)
            .set("opportunityid", Cell::lookup("opportunity", opportunity))
            .set("bpf_opportunityid", Cell::lookup("opportunity", opportunity))
            .set("processid", process.id)
            .set("activestageid", stage)
            .set("traversedpath", stage.to_string())
            .set("statecode", 0)
            .set("statuscode", 1);
        self.set("processid", process.id).set("stageid", stage)
    }

    /// Closes an opportunity as won or lost.
    pub fn closed(self, closing: Closing) -> Self {
        match closing {
            Closing::Won => self.set("statecode", 1).set("statuscode", 3),
            Closing::Lost => self.set("statecode", 2).set("statuscode", 4),
        }
    }
}
