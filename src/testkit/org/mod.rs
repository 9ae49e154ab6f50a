//! Building a fake org: by hand, from data files, or from a seed.

mod data;
mod entry;
mod process;
mod synthetic;

use std::collections::{HashMap, HashSet};

use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::clock::Randomness;
use crate::testkit::dataverse::cell::Cell;
use crate::testkit::dataverse::org::{ADDRESS, Concurrency, Listing, Org};
use crate::testkit::dataverse::schema::Definition;
use crate::testkit::dataverse::table::Table;

pub use entry::Entry;
pub use process::Process;

/// Builds the rows of a fake org; the same seed and calls give the same ids.
///
/// A new org has an organisation row, the base currency EUR, and the two stock processes with
/// their stages, but no user: add one first, as the person who signs in.
///
/// # Example
/// ```
/// use fluint_crm::testkit::{Cell, OrgBuilder};
///
/// let mut org = OrgBuilder::new(7);
/// let ada = org.add_user("Ada Lovelace", "ada@contoso.com").id();
/// let account = org.add_account("Fabrikam").owned_by(ada).id();
/// let sales = org.sales_process();
/// let deal = org
///     .add_opportunity("Looms", account)
///     .owned_by(ada)
///     .worth("1200.50")
///     .in_stage(&sales, 1)
///     .set("closeprobability", 40)
///     .id();
/// assert_ne!(deal, account);
/// org.build();
/// ```
#[derive(Debug)]
pub struct OrgBuilder {
    org: Org,
    randomness: Randomness,
    base_currency: Uuid,
    sales: Process,
    lead: Process,
    rows: i64,
}

/// When the first row of a built org was created; each next one a minute later.
const BEGINNING: OffsetDateTime = datetime!(2024-01-08 08:00 UTC);

impl OrgBuilder {
    /// An org without users.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut builder = Self::bare(seed);
        builder.add_organization();
        let currency = builder.add_currency("EUR", "Euro", "€", "1").id();
        builder.base_currency = currency;
        let organization = builder.org.organization;
        let base = Cell::lookup("transactioncurrency", currency);
        builder.set("organization", organization, "basecurrencyid", base);
        let stages = ["Qualify", "Develop", "Propose", "Close"];
        builder.sales = builder.add_process(
            "Opportunity Sales Process",
            "opportunitysalesprocess",
            "opportunity",
            &stages,
        );
        builder.lead = builder.add_process(
            "Lead to Opportunity Sales Process",
            "leadtoopportunitysalesprocess",
            "lead",
            &stages,
        );
        builder
    }

    /// Tables without rows.
    fn bare(seed: u64) -> Self {
        let randomness = Randomness::seeded(seed);
        let nothing = Process { id: Uuid::nil(), stages: Vec::new(), table: String::new() };
        Self {
            org: Org {
                tables: Definition::stock().into_iter().map(Table::new).collect(),
                organization: randomness.uuid(),
                business_unit: randomness.uuid(),
                tenant: randomness.uuid(),
                address: ADDRESS.to_owned(),
                next_version: 100_000,
                hidden: HashSet::new(),
                missing_privileges: HashSet::new(),
                depths: HashMap::new(),
                privileges: Listing::Named,
                concurrency: Concurrency::Compared,
            },
            randomness,
            base_currency: Uuid::nil(),
            sales: nothing.clone(),
            lead: nothing,
            rows: 0,
        }
    }

    /// The finished org.
    #[must_use]
    pub fn build(self) -> Org {
        self.org
    }

    /// Adds an enabled user who can sign in.
    pub fn add_user(&mut self, name: &str, email: &str) -> Entry<'_> {
        let (first, last) = name.split_once(' ').unwrap_or(("", name));
        let object_id = self.randomness.uuid();
        self.add("systemuser")
            .set("azureactivedirectoryobjectid", object_id)
            .set("domainname", email)
            .set("internalemailaddress", email)
            .set("fullname", name)
            .set("firstname", first)
            .set("lastname", last)
            .set("isdisabled", false)
            .set("accessmode", 0)
            .set("islicensed", true)
    }

    /// Adds a team that can own rows.
    pub fn add_team(&mut self, name: &str) -> Entry<'_> {
        self.add("team").set("name", name).set("teamtype", 0)
    }

    /// Adds an active account.
    pub fn add_account(&mut self, name: &str) -> Entry<'_> {
        let entry = self.add("account").set("name", name).set("merged", false);
        entry.set("statecode", 0).set("statuscode", 1)
    }

    /// Adds an active contact of an account.
    pub fn add_contact(&mut self, name: &str, account: Uuid) -> Entry<'_> {
        let (first, last) = name.split_once(' ').unwrap_or(("", name));
        self.add("contact")
            .set("fullname", name)
            .set("firstname", first)
            .set("lastname", last)
            .set("parentcustomerid", Cell::lookup("account", account))
            .set("accountid", Cell::lookup("account", account))
            .set("merged", false)
            .set("statecode", 0)
            .set("statuscode", 1)
    }

    /// Adds an open opportunity of an account, in the base currency and without a stage.
    pub fn add_opportunity(&mut self, name: &str, account: Uuid) -> Entry<'_> {
        let currency = Cell::lookup("transactioncurrency", self.base_currency);
        self.add("opportunity")
            .set("name", name)
            .set("customerid", Cell::lookup("account", account))
            .set("parentaccountid", Cell::lookup("account", account))
            .set("transactioncurrencyid", currency)
            .set("exchangerate", Cell::money("1"))
            .set("statecode", 0)
            .set("statuscode", 1)
            .set("isrevenuesystemcalculated", false)
    }

    /// Adds a currency; one unit of the base currency is `rate` of it.
    pub fn add_currency(&mut self, iso: &str, name: &str, symbol: &str, rate: &str) -> Entry<'_> {
        let mut rate = rust_decimal::Decimal::from_str_exact(rate).unwrap_or_default();
        rate.rescale(12);
        self.add("transactioncurrency")
            .set("isocurrencycode", iso)
            .set("currencyname", name)
            .set("currencysymbol", symbol)
            .set("currencyprecision", 2)
            .set("exchangerate", rate)
            .set("currencytype", 0)
            .set("statecode", 0)
            .set("statuscode", 1)
    }

    /// Changes a value of a row that was added before; false when it is not there.
    pub fn set(&mut self, table: &str, id: Uuid, column: &str, value: impl Into<Cell>) -> bool {
        self.org.set(table, id, column, value.into())
    }

    /// Adds a row to a table, by its logical name, with an id of its own and the creation time.
    pub fn add(&mut self, table: &str) -> Entry<'_> {
        let id = self.randomness.uuid();
        self.add_with_id(table, id)
    }

    fn add_with_id(&mut self, table: &str, id: Uuid) -> Entry<'_> {
        let version = self.org.draw_version();
        if let Some(table) = self.org.table_mut(table) {
            table.insert(id, version);
        }
        self.rows += 1;
        let created = BEGINNING + Duration::minutes(self.rows);
        let entry = Entry::new(self, table, id);
        entry.set("createdon", created).set("modifiedon", created)
    }

    fn add_organization(&mut self) {
        let id = self.org.organization;
        self.add_with_id("organization", id)
            .set("name", "contoso")
            .set("maxuploadfilesize", 5_242_880)
            .set("blockedattachments", BLOCKED)
            .set("pricingdecimalprecision", 2)
            .set("fiscalperiodtype", 2001)
            .set("fiscalcalendarstart", datetime!(2024-01-01 00:00 UTC))
            .set("expirechangetrackingindays", 7)
            .set("isdisabled", false)
            .set("languagecode", 1033)
            .set("maximumactivebusinessprocessflowsallowedperentity", 10);
    }
}

/// The default of `blockedattachments`.
const BLOCKED: &str = "ade;adp;app;asa;ashx;asmx;asp;bas;bat;cdx;cer;chm;class;cmd;com;config;cpl;\
    crt;csh;dll;exe;fxp;hlp;hta;htr;htw;ida;idc;idq;inf;ins;isp;its;jar;js;jse;ksh;lnk;mad;maf;mag;\
    mam;maq;mar;mas;mat;mau;mav;maw;mda;mdb;mde;mdt;mdw;mdz;msc;msh;msh1;msh1xml;msh2;msh2xml;\
    mshxml;msi;msp;mst;ops;pcd;pif;prf;prg;printer;pst;reg;rem;scf;scr;sct;shb;shs;shtm;shtml;soap;\
    stm;tmp;url;vb;vbe;vbs;vsmacros;vss;vst;vsw;ws;wsc;wsf;wsh;svg";
