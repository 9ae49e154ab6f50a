//! Rows that are computed from a seed when they are read, so that a huge org needs no memory.

use std::sync::Arc;

use rust_decimal::Decimal;
use time::{Date, Duration, OffsetDateTime};
use uuid::Uuid;

use crate::testkit::dataverse::cell::{Cell, SqlId};
use crate::testkit::dataverse::words;

/// What the computed rows of all tables refer to.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) counts: Counts,
    pub(crate) users: Vec<Uuid>,
    pub(crate) currency: Uuid,
    pub(crate) process: Uuid,
    pub(crate) stages: Vec<Uuid>,
    /// When the first row was created; each later row a few seconds after the one before.
    pub(crate) since: OffsetDateTime,
}

/// How many rows are computed for each table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) accounts: u64,
    pub(crate) contacts: u64,
    pub(crate) opportunities: u64,
    pub(crate) instances: u64,
}

impl Counts {
    /// A fifth as many accounts as opportunities, half as many contacts.
    pub(crate) const fn beside(opportunities: u64) -> Self {
        Self {
            accounts: opportunities.div_ceil(5),
            contacts: opportunities.div_ceil(2),
            opportunities,
            instances: opportunities,
        }
    }

    pub(crate) const fn of(&mut self, subject: Subject) -> &mut u64 {
        match subject {
            Subject::Account => &mut self.accounts,
            Subject::Contact => &mut self.contacts,
            Subject::Opportunity => &mut self.opportunities,
            Subject::Instance => &mut self.instances,
        }
    }
}

/// A table whose rows are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Account,
    Contact,
    Opportunity,
    Instance,
}

/// The computed rows of one table.
///
/// Both the key and `createdon` grow with a row's index, so any page is found without a scan.
#[derive(Clone, Debug)]
pub(crate) struct Synthetic {
    subject: Subject,
    world: Arc<World>,
}

/// Seconds between two rows' creation.
const STEP: i64 = 20;
/// Version numbers of computed rows start here, below those of changed rows.
const FIRST_VERSION: u64 = 1_000_000;
/// The version from which changed rows of an org with computed rows count.
pub(crate) const CHANGED_VERSION: u64 = 4_000_000_000;

impl Synthetic {
    pub(crate) fn new(subject: Subject, world: Arc<World>) -> Self {
        Self { subject, world }
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    pub(crate) fn len(&self) -> u64 {
        self.world.count(self.subject)
    }

    pub(crate) fn id(&self, index: u64) -> Uuid {
        self.world.id_of(self.subject, index)
    }

    pub(crate) fn version(&self, index: u64) -> u64 {
        FIRST_VERSION + index * 4 + self.subject as u64
    }

    /// The index of a row; `None` when no computed row has this key.
    pub(crate) fn position(&self, key: SqlId) -> Option<u64> {
        let index = self.first_after(key).checked_sub(1)?;
        (SqlId::from(self.id(index)) == key).then_some(index)
    }

    /// The index of the first row behind a key.
    pub(crate) fn first_after(&self, key: SqlId) -> u64 {
        partition(self.len(), |index| SqlId::from(self.id(index)) <= key)
    }

    /// The index of the first row created at or after a moment.
    pub(crate) fn first_created(&self, from: OffsetDateTime) -> u64 {
        partition(self.len(), |index| self.created(index) < from)
    }

    fn created(&self, index: u64) -> OffsetDateTime {
        // Three rows share each moment, so that ties need the key.
        let steps = i64::try_from(index / 3).unwrap_or(i64::MAX / STEP);
        self.world.since + Duration::seconds(steps * STEP)
    }

    /// The value of a column.
    pub(crate) fn cell(&self, index: u64, column: &str) -> Cell {
        match column {
            "createdon" | "modifiedon" => Cell::Moment(self.created(index)),
            "statecode" => Cell::Int(self.state(index)),
            "ownerid" | "owninguser" => self.pick_lookup("systemuser", &self.world.users, index),
            "transactioncurrencyid" => Cell::lookup("transactioncurrency", self.world.currency),
            _ => match self.subject {
                Subject::Account => self.account(index, column),
                Subject::Contact => self.contact(index, column),
                Subject::Opportunity => self.opportunity(index, column),
                Subject::Instance => self.instance(index, column),
            },
        }
    }

    /// One in five opportunities is closed.
    fn state(&self, index: u64) -> i64 {
        match (self.subject, self.roll(index, 1) % 10) {
            (Subject::Opportunity, 0) => 1,
            (Subject::Opportunity, 1) => 2,
            _ => 0,
        }
    }

    fn account(&self, index: u64, column: &str) -> Cell {
        match column {
            "accountid" => Cell::Guid(self.id(index)),
            "name" => Cell::Text(words::company(self.roll(index, 7), index)),
            "websiteurl" => Cell::Text(format!("https://www.account{index}.example/en/about")),
            "emailaddress1" => Cell::Text(format!("office@account{index}.example")),
            "telephone1" => Cell::Text(words::phone(self.roll(index, 8))),
            "numberofemployees" => Cell::Int(words::small(self.roll(index, 9), 20_000)),
            "address1_city" => Cell::Text(words::city(self.roll(index, 10))),
            "address1_country" => Cell::Text(words::country(self.roll(index, 10))),
            "parentaccountid" if self.roll(index, 11).is_multiple_of(4) => {
                self.one_of("account", Subject::Account, index)
            }
            "primarycontactid" => self.one_of("contact", Subject::Contact, index),
            "statuscode" => Cell::Int(1),
            "merged" => Cell::Bool(false),
            _ => Cell::Null,
        }
    }

    fn contact(&self, index: u64, column: &str) -> Cell {
        let named = |write: fn(u64, u64) -> String| Cell::Text(write(self.roll(index, 7), index));
        match column {
            "contactid" => Cell::Guid(self.id(index)),
            "fullname" => named(words::person),
            "emailaddress1" => named(words::work_email),
            "emailaddress2" if self.roll(index, 8).is_multiple_of(3) => named(words::private_email),
            "telephone1" => Cell::Text(words::phone(self.roll(index, 9))),
            "jobtitle" => Cell::Text(words::job_title(self.roll(index, 10))),
            "department" => Cell::Text(words::department(self.roll(index, 11))),
            "parentcustomerid" | "accountid" => self.one_of("account", Subject::Account, index),
            "statuscode" => Cell::Int(1),
            "merged" | "donotemail" => Cell::Bool(false),
            _ => Cell::Null,
        }
    }

    fn opportunity(&self, index: u64, column: &str) -> Cell {
        match column {
            "opportunityid" => Cell::Guid(self.id(index)),
            "name" => Cell::Text(words::deal(self.roll(index, 7), index)),
            "customerid" | "parentaccountid" => self.one_of("account", Subject::Account, index),
            "parentcontactid" => self.one_of("contact", Subject::Contact, index),
            "estimatedvalue" | "estimatedvalue_base" => {
                Cell::Decimal(Decimal::new(words::small(self.roll(index, 2), 10_000_000_000), 4))
            }
            "exchangerate" => Cell::Decimal(Decimal::new(1_000_000_000_000, 12)),
            "estimatedclosedate" => Cell::Day(self.closes_on(index)),
            "closeprobability" => Cell::Int(words::small(self.roll(index, 3), 101)),
            "statuscode" => Cell::Int([1, 3, 4][usize::try_from(self.state(index)).unwrap_or(0)]),
            "processid" => Cell::Guid(self.world.process),
            "stageid" => Cell::Guid(self.stage(index)),
            "stepname" => Cell::Text(words::step(self.roll(index, 12))),
            _ => Cell::Null,
        }
    }

    fn instance(&self, index: u64, column: &str) -> Cell {
        match column {
            "businessprocessflowinstanceid" => Cell::Guid(self.id(index)),
            "name" => Cell::Text(words::deal(self.roll(index, 7), index)),
            "opportunityid" => {
                Cell::lookup("opportunity", self.world.id_of(Subject::Opportunity, index))
            }
            "activestageid" => Cell::lookup("processstage", self.stage(index)),
            "activestagestartedon" => Cell::Moment(self.created(index)),
            "processid" => Cell::lookup("workflow", self.world.process),
            "traversedpath" => Cell::Text(self.stage(index).to_string()),
            "statuscode" => Cell::Int(1),
            _ => Cell::Null,
        }
    }

    /// The stage of the opportunity of this index; its instance row says the same.
    fn stage(&self, index: u64) -> Uuid {
        pick(&self.world.stages, mix(self.world.seed ^ 0x57, index))
    }

    /// A lookup of one of the computed rows of another table, always the same one for an index.
    fn one_of(&self, table: &'static str, target: Subject, index: u64) -> Cell {
        match self.roll(index, 4).checked_rem(self.world.count(target)) {
            Some(chosen) => Cell::lookup(table, self.world.id_of(target, chosen)),
            None => Cell::Null,
        }
    }

    fn closes_on(&self, index: u64) -> Date {
        // Over five years, so that every quarter of them has some.
        let days = words::small(self.roll(index, 5), 2_000);
        let first = self.world.since.date();
        first.checked_add(Duration::days(days)).unwrap_or(first)
    }

    fn pick_lookup(&self, table: &'static str, ids: &[Uuid], index: u64) -> Cell {
        if ids.is_empty() {
            return Cell::Null;
        }
        Cell::lookup(table, pick(ids, self.roll(index, 6)))
    }

    fn roll(&self, index: u64, salt: u64) -> u64 {
        mix(self.world.seed ^ ((self.subject as u64) << 8) ^ salt, index)
    }
}

impl World {
    fn count(&self, subject: Subject) -> u64 {
        let mut counts = self.counts;
        *counts.of(subject)
    }

    /// A v4 id. Its last group, which the database compares first, grows with the index, in steps
    /// as long as the group has room for, so that it looks as random as the rest.
    fn id_of(&self, subject: Subject, index: u64) -> Uuid {
        const GROUP: u32 = 48;
        let salt = (subject as u64) << 56;
        let (high, low) =
            (mix(self.seed ^ 0xD1, index ^ salt), mix(self.seed ^ 0xD2, index ^ salt));
        let indices = u64::BITS - self.count(subject).max(index + 1).leading_zeros();
        let step = GROUP.saturating_sub(indices);
        let group = (index << step) | (low & ((1 << step) - 1));
        let mut bytes = [0_u8; 16];
        bytes[..8].copy_from_slice(&high.to_be_bytes());
        bytes[8..].copy_from_slice(&(((low >> GROUP) << GROUP) | group).to_be_bytes());
        bytes[6] = 0x40 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Uuid::from_bytes(bytes)
    }
}

fn pick(ids: &[Uuid], number: u64) -> Uuid {
    let at = number % u64::try_from(ids.len()).unwrap_or(1).max(1);
    usize::try_from(at).ok().and_then(|at| ids.get(at)).copied().unwrap_or_default()
}

/// The first index below `len` for which `before` is false.
fn partition(len: u64, before: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Mixes two numbers into one that looks random (SplitMix64).
fn mix(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
