//! Rows that are computed from a seed when they are read, so that a huge org needs no memory.

use std::sync::Arc;

use rust_decimal::Decimal;
use time::{Date, Duration, OffsetDateTime};
use uuid::Uuid;

use crate::testkit::dataverse::cell::{Cell, SqlId};

/// What the computed rows of all tables refer to.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) opportunities: u64,
    pub(crate) users: Vec<Uuid>,
    pub(crate) currency: Uuid,
    pub(crate) process: Uuid,
    pub(crate) stages: Vec<Uuid>,
    /// When the first row was created; each later row a few seconds after the one before.
    pub(crate) since: OffsetDateTime,
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

    pub(crate) fn len(&self) -> u64 {
        count(self.subject, self.world.opportunities)
    }

    pub(crate) fn id(&self, index: u64) -> Uuid {
        id_of(self.subject, self.world.seed, index)
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
            "name" => Cell::Text(format!("Account {index:07}")),
            "websiteurl" => Cell::Text(format!("https://account{index}.example")),
            "statuscode" => Cell::Int(1),
            "merged" => Cell::Bool(false),
            _ => Cell::Null,
        }
    }

    fn contact(&self, index: u64, column: &str) -> Cell {
        match column {
            "contactid" => Cell::Guid(self.id(index)),
            "fullname" => Cell::Text(format!("Contact {index:07}")),
            "emailaddress1" => Cell::Text(format!("contact{index}@example.com")),
            "parentcustomerid" | "accountid" => self.account_of(index),
            "statuscode" => Cell::Int(1),
            _ => Cell::Null,
        }
    }

    fn opportunity(&self, index: u64, column: &str) -> Cell {
        match column {
            "opportunityid" => Cell::Guid(self.id(index)),
            "name" => Cell::Text(format!("Opportunity {index:07}")),
            "customerid" | "parentaccountid" => self.account_of(index),
            "estimatedvalue" | "estimatedvalue_base" => {
                let cents = self.roll(index, 2) % 10_000_000_000;
                Cell::Decimal(Decimal::new(i64::try_from(cents).unwrap_or_default(), 4))
            }
            "exchangerate" => Cell::Decimal(Decimal::new(1_000_000_000_000, 12)),
            "estimatedclosedate" => Cell::Day(self.closes_on(index)),
            "closeprobability" => {
                Cell::Int(i64::try_from(self.roll(index, 3) % 101).unwrap_or_default())
            }
            "statuscode" => Cell::Int([1, 3, 4][usize::try_from(self.state(index)).unwrap_or(0)]),
            "processid" => Cell::Guid(self.world.process),
            "stageid" => Cell::Guid(self.stage(index)),
            _ => Cell::Null,
        }
    }

    fn instance(&self, index: u64, column: &str) -> Cell {
        match column {
            "businessprocessflowinstanceid" => Cell::Guid(self.id(index)),
            "opportunityid" => {
                Cell::lookup("opportunity", id_of(Subject::Opportunity, self.world.seed, index))
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

    fn account_of(&self, index: u64) -> Cell {
        let accounts = count(Subject::Account, self.world.opportunities).max(1);
        let account = self.roll(index, 4) % accounts;
        Cell::lookup("account", id_of(Subject::Account, self.world.seed, account))
    }

    fn closes_on(&self, index: u64) -> Date {
        let days = i64::try_from(self.roll(index, 5) % 720).unwrap_or_default();
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

/// A fifth as many accounts as opportunities, half as many contacts.
fn count(subject: Subject, opportunities: u64) -> u64 {
    match subject {
        Subject::Account => opportunities.div_ceil(5),
        Subject::Contact => opportunities.div_ceil(2),
        Subject::Opportunity | Subject::Instance => opportunities,
    }
}

/// An id whose last group, which the database compares first, is the index.
fn id_of(subject: Subject, seed: u64, index: u64) -> Uuid {
    let high = mix(seed ^ 0xD1, index ^ ((subject as u64) << 56));
    let mut bytes = [0_u8; 16];
    bytes[..8].copy_from_slice(&high.to_be_bytes());
    bytes[8..].copy_from_slice(&index.to_be_bytes());
    bytes[8] = 0x80;
    bytes[9] = subject as u8;
    bytes[6] = 0x40 | (bytes[6] & 0x0f);
    Uuid::from_bytes(bytes)
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
