//! The org itself: rows that are created, changed, moved, closed, deleted and hidden all the time.

use std::collections::BTreeMap;

use fluint_crm::model::{
    Account, AccountId, Amount, Contact, ContactId, Currency, CurrencyCode, CurrencyId,
    CurrencyRole, EmailAddress, Opportunity, OpportunityId, OpportunityStatus, OwnerRef, Record,
    RecordId, RowVersion, Stage, StageAssignment, StageId, User, UserId,
};
use time::{Duration, OffsetDateTime};

use crate::simulation::book::Dice;

/// A row as it stands in the org.
#[derive(Clone, Debug)]
pub(crate) struct Kept<R> {
    pub(crate) row: R,
    pub(crate) created: OffsetDateTime,
    pub(crate) hidden: bool,
}

pub(crate) type Shelf<R> = BTreeMap<RecordId, Kept<R>>;

/// A table of the org.
pub(crate) trait Living: Record {
    fn shelf(org: &Org) -> &Shelf<Self>;

    /// Whether a list shows it.
    fn is_listed(&self) -> bool {
        true
    }
}

#[derive(Debug, Default)]
pub(crate) struct Org {
    pub(crate) users: Shelf<User>,
    pub(crate) accounts: Shelf<Account>,
    pub(crate) contacts: Shelf<Contact>,
    pub(crate) opportunities: Shelf<Opportunity>,
    pub(crate) stages: Shelf<Stage>,
    pub(crate) assignments: Shelf<StageAssignment>,
    pub(crate) currencies: Shelf<Currency>,
    /// Opportunities that were opened again: they are not closed a second time, since an outcome
    /// that changes unseen between two syncs is nobody's to know.
    reopened: Vec<RecordId>,
    versions: i64,
    rows: u64,
}

macro_rules! living {
    ($row:ty, $shelf:ident) => {
        impl Living for $row {
            fn shelf(org: &Org) -> &Shelf<Self> {
                &org.$shelf
            }
        }
    };
}

living!(User, users);
living!(Account, accounts);
living!(Contact, contacts);
living!(Stage, stages);
living!(StageAssignment, assignments);
living!(Currency, currencies);

impl Living for Opportunity {
    fn shelf(org: &Org) -> &Shelf<Self> {
        &org.opportunities
    }

    fn is_listed(&self) -> bool {
        self.status == OpportunityStatus::Open
    }
}

/// People who own something; members have the same addresses.
pub(crate) const SELLERS: [&str; 5] = ["ada", "ben", "cyd", "dee", "eve"];

fn put<R: Record>(shelf: &mut Shelf<R>, row: R, created: OffsetDateTime) {
    shelf.insert(row.record_id(), Kept { row, created, hidden: false });
}

impl Org {
    /// An org of so many opportunities, with half as many accounts and contacts.
    pub(crate) fn new(dice: &Dice, opportunities: usize, now: OffsetDateTime) -> Self {
        let mut org = Self::default();
        for name in SELLERS {
            let mut user = User::new(UserId::new(format!("u-{name}")).unwrap());
            user.email = EmailAddress::new(format!("{name}@contoso.com")).ok();
            user.version = org.version();
            put(&mut org.users, user, now - Duration::days(900));
        }
        for number in 0..5 {
            let mut stage = Stage::new(StageId::new(format!("s{number}")).unwrap());
            stage.name = Some(format!("Stage {number}"));
            put(&mut org.stages, stage, now - Duration::days(900));
        }
        let code = CurrencyCode::new("EUR").unwrap();
        let mut euro = Currency::new(CurrencyId::new("eur").unwrap(), code);
        euro.role = CurrencyRole::Base;
        put(&mut org.currencies, euro, now - Duration::days(900));
        for _ in 0..opportunities.div_ceil(2) {
            let created = now - dice.seconds(1, 60_000_000);
            org.add_account(dice, created);
            org.add_contact(dice, created);
        }
        for _ in 0..opportunities {
            org.add_opportunity(dice, now - dice.seconds(1, 60_000_000));
        }
        org
    }

    fn version(&mut self) -> RowVersion {
        self.versions += 1;
        RowVersion::new(self.versions)
    }

    /// An id that sorts anywhere.
    fn id(&mut self, dice: &Dice, letter: char) -> String {
        self.rows += 1;
        format!("{:04x}-{letter}{}", dice.below(0x10000), self.rows)
    }

    pub(crate) fn add_account(&mut self, dice: &Dice, created: OffsetDateTime) {
        let mut account = Account::new(AccountId::new(self.id(dice, 'a')).unwrap());
        account.name = Some(format!("Company {}", self.rows));
        account.version = self.version();
        put(&mut self.accounts, account, created);
    }

    pub(crate) fn add_contact(&mut self, dice: &Dice, created: OffsetDateTime) {
        let mut contact = Contact::new(ContactId::new(self.id(dice, 'c')).unwrap());
        contact.name = Some(format!("Person {}", self.rows));
        contact.version = self.version();
        put(&mut self.contacts, contact, created);
    }

    pub(crate) fn add_opportunity(&mut self, dice: &Dice, created: OffsetDateTime) -> RecordId {
        let id = self.id(dice, 'o');
        let mut row = Opportunity::new(OpportunityId::new(id.clone()).unwrap());
        row.name = Some(format!("Deal {}", self.rows));
        row.owner = dice.pick(&SELLERS).map(|name| owner(name));
        row.account = some_key(&self.accounts, dice).map(|id| AccountId::new(id.as_str()).unwrap());
        row.contact = some_key(&self.contacts, dice).map(|id| ContactId::new(id.as_str()).unwrap());
        row.currency = CurrencyId::new("eur").ok();
        row.value = format!("{}.50", dice.below(90_000)).parse::<Amount>().ok();
        row.version = self.version();
        let opportunity = row.id.clone();
        let record = row.record_id();
        put(&mut self.opportunities, row, created);
        if dice.happens(0.8) {
            let stage = StageId::new(format!("s{}", dice.below(5))).unwrap();
            let at = RecordId::new(self.id(dice, 'p')).unwrap();
            let mut place = StageAssignment::new(at, opportunity, stage);
            place.version = self.version();
            put(&mut self.assignments, place, created);
        }
        record
    }

    /// Changes a row of some table.
    pub(crate) fn change(&mut self, dice: &Dice) -> Option<RecordId> {
        let version = self.version();
        let words = Some(format!("Renamed {}", version.as_i64()));
        match dice.below(10) {
            0..2 => {
                let row = some(&mut self.accounts, dice)?;
                (row.name, row.version) = (words, version);
                Some(row.record_id())
            }
            2..4 => {
                let row = some(&mut self.contacts, dice)?;
                (row.name, row.version) = (words, version);
                Some(row.record_id())
            }
            4 => {
                let row = some(&mut self.users, dice)?;
                (row.name, row.version) = (words, version);
                Some(row.record_id())
            }
            _ => {
                let row = some(&mut self.opportunities, dice)?;
                (row.name, row.version) = (words, version);
                row.probability = u8::try_from(dice.below(101)).ok();
                if dice.happens(0.2) {
                    row.owner = dice.pick(&SELLERS).map(|name| owner(name));
                }
                Some(row.record_id())
            }
        }
    }

    /// Moves an opportunity to another stage.
    pub(crate) fn move_stage(&mut self, dice: &Dice) -> Option<RecordId> {
        let version = self.version();
        let row = some(&mut self.assignments, dice)?;
        row.stage = StageId::new(format!("s{}", dice.below(5))).unwrap();
        row.version = version;
        Some(row.record_id())
    }

    /// Closes an open opportunity, or opens a closed one again.
    pub(crate) fn close_or_reopen(&mut self, dice: &Dice) -> Option<RecordId> {
        let version = self.version();
        let row = some(&mut self.opportunities, dice)?;
        let id = row.record_id();
        match row.status {
            OpportunityStatus::Open if self.reopened.contains(&id) => return None,
            OpportunityStatus::Open if dice.happens(0.5) => row.status = OpportunityStatus::Won,
            OpportunityStatus::Open => row.status = OpportunityStatus::Lost,
            _ => {
                row.status = OpportunityStatus::Open;
                self.reopened.push(id.clone());
            }
        }
        row.version = version;
        Some(id)
    }

    /// Deletes an account, a contact or an opportunity, and whatever hangs on it as a CRM does.
    pub(crate) fn delete(&mut self, dice: &Dice) -> Option<RecordId> {
        let version = self.version();
        match dice.below(4) {
            0 => {
                let id = some_key(&self.accounts, dice)?;
                self.accounts.remove(&id);
                let held = |row: &Opportunity| row.account.clone().map(RecordId::from);
                for row in holders(&mut self.opportunities, &id, held) {
                    (row.account, row.version) = (None, version);
                }
                Some(id)
            }
            1 => {
                let id = some_key(&self.contacts, dice)?;
                self.contacts.remove(&id);
                let held = |row: &Opportunity| row.contact.clone().map(RecordId::from);
                for row in holders(&mut self.opportunities, &id, held) {
                    (row.contact, row.version) = (None, version);
                }
                Some(id)
            }
            _ => {
                let id = some_key(&self.opportunities, dice)?;
                self.opportunities.remove(&id);
                self.assignments
                    .retain(|_, kept| RecordId::from(kept.row.opportunity.clone()) != id);
                Some(id)
            }
        }
    }

    /// Hides rows from everybody, or shows them again.
    pub(crate) fn hide_or_reveal(&mut self, dice: &Dice) -> Option<RecordId> {
        fn turn<R>(shelf: &mut Shelf<R>, dice: &Dice) -> Option<RecordId> {
            let hidden: Vec<RecordId> =
                shelf.iter().filter(|(_, kept)| kept.hidden).map(|(id, _)| id.clone()).collect();
            // What is hidden comes back soon: while it is away, nothing of its table is swept.
            let id = if hidden.is_empty() || dice.happens(0.2) {
                some_key(shelf, dice)?
            } else {
                dice.pick(&hidden)?.clone()
            };
            let kept = shelf.get_mut(&id)?;
            kept.hidden = !kept.hidden;
            Some(id)
        }
        match dice.below(3) {
            0 => turn(&mut self.accounts, dice),
            1 => turn(&mut self.contacts, dice),
            _ => turn(&mut self.opportunities, dice),
        }
    }

    /// Shows everything again.
    pub(crate) fn reveal_all(&mut self) {
        self.accounts.values_mut().for_each(|kept| kept.hidden = false);
        self.contacts.values_mut().for_each(|kept| kept.hidden = false);
        self.opportunities.values_mut().for_each(|kept| kept.hidden = false);
    }

    /// Something that happens in the org, with its name.
    pub(crate) fn live(
        &mut self,
        dice: &Dice,
        now: OffsetDateTime,
    ) -> (&'static str, Option<RecordId>) {
        match dice.below(100) {
            0..6 => {
                self.add_account(dice, now);
                ("add account", None)
            }
            6..12 => {
                self.add_contact(dice, now);
                ("add contact", None)
            }
            12..27 => ("add opportunity", Some(self.add_opportunity(dice, now))),
            27..60 => ("change", self.change(dice)),
            60..78 => ("move", self.move_stage(dice)),
            78..88 => ("close or reopen", self.close_or_reopen(dice)),
            88..94 => ("delete", self.delete(dice)),
            _ => ("hide or reveal", self.hide_or_reveal(dice)),
        }
    }

    /// Whether a row is there, hidden or not.
    pub(crate) fn has(&self, table: fluint_crm::model::Table, id: &RecordId) -> bool {
        use fluint_crm::model::Table;
        match table {
            Table::Users => self.users.contains_key(id),
            Table::Accounts => self.accounts.contains_key(id),
            Table::Contacts => self.contacts.contains_key(id),
            Table::Opportunities => self.opportunities.contains_key(id),
            Table::Stages => self.stages.contains_key(id),
            Table::StageAssignments => self.assignments.contains_key(id),
            Table::Currencies => self.currencies.contains_key(id),
            other => panic!("a table that the org does not know: {other}"),
        }
    }
}

fn owner(name: &str) -> OwnerRef {
    OwnerRef::User(UserId::new(format!("u-{name}")).unwrap())
}

fn some_key<R>(shelf: &Shelf<R>, dice: &Dice) -> Option<RecordId> {
    shelf.keys().nth(dice.below(shelf.len().max(1))).cloned()
}

fn some<'a, R>(shelf: &'a mut Shelf<R>, dice: &Dice) -> Option<&'a mut R> {
    let at = dice.below(shelf.len().max(1));
    shelf.values_mut().nth(at).map(|kept| &mut kept.row)
}

fn holders<'a>(
    shelf: &'a mut Shelf<Opportunity>,
    id: &'a RecordId,
    held: impl Fn(&Opportunity) -> Option<RecordId> + 'a,
) -> impl Iterator<Item = &'a mut Opportunity> {
    let rows = shelf.values_mut().map(|kept| &mut kept.row);
    rows.filter(move |row| held(row).as_ref() == Some(id))
}
