//! A CRM that makes its rows up as they are read, with names as companies and people have them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fluint_crm::connector::{
    Authorization, Callback, Capabilities, ChainRequest, ConnectorContext, CrmConnector,
    CrmProvider, Fence, Lookup, NoteParts, PageStream, PlanRequest, SignIn, SignedIn, TokenVault,
    Tokens,
};
use fluint_crm::model::{
    Account, AccountId, Amount, AssignmentState, Connection, Contact, ContactId, CrmKind, Currency,
    CurrencyCode, CurrencyId, CustomerRef, EmailAddress, Identity, NoteDraft, NoteHandle, NoteKey,
    NoteWrite, Opportunity, OpportunityId, OpportunityStatus, OrganisationId, OwnerRef, Record,
    RecordId, RemoteNote, RowVersion, Stage, StageAssignment, StageId, Table, User, UserId,
};
use fluint_crm::walk::{Page, ResumeToken, TablePlan};
use fluint_crm::{Error, Result};
use futures_util::{StreamExt, stream};
use time::OffsetDateTime;
use time::macros::date;
use url::Url;
use uuid::Uuid;

pub(crate) const KIND: CrmKind = CrmKind::new("made-up");

/// How many rows of each table there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) accounts: u64,
    pub(crate) contacts: u64,
    pub(crate) opportunities: u64,
}

/// The CRM, its provider and its connector in one. Each pull sees every row changed.
#[derive(Clone, Debug)]
pub(crate) struct MadeUp {
    pub(crate) size: Size,
    version: Arc<AtomicI64>,
}

const PAGE: u64 = 5_000;
const SELLERS: u64 = 200;
const STAGES: u64 = 8;

const FIRST: [&str; 40] = [
    "Alder",
    "Baltic",
    "Cobalt",
    "Dünen",
    "Elster",
    "Falken",
    "Granit",
    "Hanse",
    "Isar",
    "Jupiter",
    "Kestrel",
    "Linden",
    "Mistral",
    "Nordlicht",
    "Ostsee",
    "Pioneer",
    "Quarz",
    "Rhein",
    "Saphir",
    "Taunus",
    "Umbra",
    "Vesta",
    "Weser",
    "Xenon",
    "Ypsilon",
    "Zenit",
    "Amber",
    "Birch",
    "Cedar",
    "Delta",
    "Ember",
    "Fjord",
    "Garnet",
    "Harbour",
    "Ivory",
    "Juniper",
    "Karst",
    "Lotus",
    "Maple",
    "Nimbus",
];
const SECOND: [&str; 40] = [
    "Logistik",
    "Werke",
    "Foods",
    "Systems",
    "Textil",
    "Energie",
    "Pharma",
    "Robotics",
    "Bau",
    "Optik",
    "Marine",
    "Capital",
    "Media",
    "Studios",
    "Druck",
    "Metall",
    "Glas",
    "Papier",
    "Chemie",
    "Sensorik",
    "Analytics",
    "Software",
    "Aviation",
    "Motors",
    "Packaging",
    "Plastics",
    "Seeds",
    "Timber",
    "Water",
    "Wind",
    "Solar",
    "Health",
    "Dental",
    "Labs",
    "Security",
    "Travel",
    "Hotels",
    "Markets",
    "Trading",
    "Holding",
];
const THIRD: [&str; 70] = [
    "Aachen",
    "Berlin",
    "Bonn",
    "Bremen",
    "Celle",
    "Dresden",
    "Essen",
    "Fulda",
    "Gera",
    "Halle",
    "Jena",
    "Kassel",
    "Köln",
    "Leipzig",
    "Mainz",
    "München",
    "Nürnberg",
    "Oslo",
    "Paris",
    "Potsdam",
    "Quedlinburg",
    "Riga",
    "Roma",
    "Salzburg",
    "Trier",
    "Ulm",
    "Wien",
    "Worms",
    "Zürich",
    "Zwickau",
    "Austin",
    "Boston",
    "Chicago",
    "Dallas",
    "Denver",
    "Detroit",
    "Houston",
    "Miami",
    "Newark",
    "Omaha",
    "Phoenix",
    "Reno",
    "Salem",
    "Tampa",
    "Tulsa",
    "Kyoto",
    "Osaka",
    "Nagoya",
    "Sapporo",
    "Lagos",
    "Accra",
    "Cairo",
    "Nairobi",
    "Lima",
    "Quito",
    "Bogotá",
    "Santiago",
    "Córdoba",
    "Porto",
    "Lisboa",
    "Madrid",
    "Sevilla",
    "Lyon",
    "Nantes",
    "Lille",
    "Gent",
    "Brugge",
    "Delft",
    "Turku",
    "Tampere",
];
const FORM: [&str; 6] = ["GmbH", "AG", "Ltd", "Inc.", "S.A.", "B.V."];

fn word<'a>(words: &[&'a str], number: u64) -> &'a str {
    words[usize::try_from(number).unwrap_or(0) % words.len()]
}

/// Every account has a name of its own up to 112,000 of them, as most in an org have.
pub(crate) fn account_name(number: u64) -> String {
    let (first, rest) = (word(&FIRST, number), number / 40);
    let (second, rest) = (word(&SECOND, rest), rest / 40);
    format!("{first} {second} {} {}", word(&THIRD, rest), word(&FORM, number / 7))
}

pub(crate) fn person(number: u64) -> String {
    format!("{} {}sen", word(&THIRD, number), word(&FIRST, number / 70))
}

pub(crate) fn account_id(number: u64) -> Result<AccountId> {
    AccountId::new(guid(1, number))
}

/// An id as CRMs give them: in no order that has to do with when a row was made.
fn guid(kind: u64, number: u64) -> String {
    let mix = |seed: u64| {
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        seed ^ (seed >> 31)
    };
    let key = number * 8 + kind;
    Uuid::from_u64_pair(mix(key), mix(!key)).to_string()
}

impl MadeUp {
    pub(crate) fn new(size: Size) -> Self {
        Self { size, version: Arc::default() }
    }

    fn read<R: Record>(
        &self,
        chain: &ChainRequest,
        rows: u64,
        make: impl Fn(u64, RowVersion) -> Result<R> + Send + Sync + 'static,
    ) -> PageStream<'_, R> {
        let start = chain.from.as_ref().and_then(|token| token.as_str().parse().ok()).unwrap_or(0);
        let version = RowVersion::new(self.version.load(Ordering::Relaxed));
        let pages = rows.div_ceil(PAGE).max(1);
        let page = move |index: u64| {
            let numbers = index * PAGE..rows.min((index + 1) * PAGE);
            let made: Result<Vec<R>> = numbers.map(|number| make(number, version)).collect();
            let last = index + 1 == pages;
            let resume = (!last).then(|| ResumeToken::new((index + 1).to_string()));
            made.map(|made| Page { resume, ..Page::last(made) })
        };
        stream::iter(start..pages).map(page).boxed()
    }
}

#[async_trait]
impl CrmConnector for MadeUp {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    async fn check(&self) -> Result<Identity> {
        Ok(Identity::new(OrganisationId::new("org")?, RecordId::new("me")?))
    }

    async fn plan(&self, request: &PlanRequest) -> Result<TablePlan> {
        if request.table == Table::Users {
            self.version.fetch_add(1, Ordering::Relaxed);
        }
        Ok(TablePlan::whole(request.table.as_str()))
    }

    fn users(&self, chain: &ChainRequest) -> PageStream<'_, User> {
        self.read(chain, SELLERS, |number, _| {
            let mut user = User::new(seller(number)?);
            user.name = Some(person(number * 31));
            // One of them is a member: her opportunities become deals, and so do half of all.
            let email = if number % 2 == 0 {
                "ada@example.com".to_owned()
            } else {
                format!("u{number}@example.com")
            };
            user.email = EmailAddress::new(email).ok();
            Ok(user)
        })
    }

    fn accounts(&self, chain: &ChainRequest) -> PageStream<'_, Account> {
        self.read(chain, self.size.accounts, |number, version| {
            let mut account = Account::new(account_id(number)?);
            account.name = Some(account_name(number));
            account.city = Some(word(&THIRD, number / 3).to_owned());
            account.website = Some(format!("https://www.firm{number}.example"));
            account.version = version;
            Ok(account)
        })
    }

    fn contacts(&self, chain: &ChainRequest) -> PageStream<'_, Contact> {
        let accounts = self.size.accounts.max(1);
        self.read(chain, self.size.contacts, move |number, version| {
            let mut contact = Contact::new(ContactId::new(guid(2, number))?);
            contact.name = Some(person(number));
            contact.parent = Some(CustomerRef::Account(account_id(number % accounts)?));
            contact.version = version;
            Ok(contact)
        })
    }

    fn opportunities(&self, chain: &ChainRequest) -> PageStream<'_, Opportunity> {
        let accounts = self.size.accounts.max(1);
        self.read(chain, self.size.opportunities, move |number, version| {
            let mut found = Opportunity::new(OpportunityId::new(guid(3, number))?);
            let what = word(&SECOND, number / 11);
            found.name = Some(format!("{what} for {}", word(&FIRST, number / 3)));
            found.owner = Some(OwnerRef::User(seller(number)?));
            found.status = match number % 5 {
                0 => OpportunityStatus::Won,
                _ => OpportunityStatus::Open,
            };
            found.account = Some(account_id(number * 7 % accounts)?);
            found.value = Some(Amount::new((number * 977 % 1_000_000).into())?);
            found.base_value = found.value;
            found.currency = Some(CurrencyId::new(word(&["eur", "usd", "jpy"], number / 2))?);
            let days = i64::try_from(number * 31 % 700).unwrap_or(0);
            found.close_date = date!(2026 - 01 - 01).checked_add(time::Duration::days(days));
            found.version = version;
            Ok(found)
        })
    }

    fn stages(&self, chain: &ChainRequest) -> PageStream<'_, Stage> {
        self.read(chain, STAGES + 1, |number, _| {
            let mut stage = Stage::new(StageId::new(guid(5, number))?);
            stage.name = Some(format!("Stage {number}"));
            Ok(stage)
        })
    }

    /// One that runs for every opportunity, and for every fourth one that ended before.
    fn stage_assignments(&self, chain: &ChainRequest) -> PageStream<'_, StageAssignment> {
        let opportunities = self.size.opportunities;
        self.read(chain, opportunities + opportunities / 4, move |number, version| {
            let id = RecordId::new(guid(4, number))?;
            let has_ended = number >= opportunities;
            let of = if has_ended { (number - opportunities) * 4 } else { number };
            let of = OpportunityId::new(guid(3, of))?;
            let moves = u64::try_from(version.as_i64()).unwrap_or(0);
            let at = if number % 1_000 == 7 { rare_stage()? } else { stage_id(number + moves)? };
            let mut found = StageAssignment::new(id, of, at);
            if has_ended {
                found.state = AssignmentState::Finished;
            }
            found.version = version;
            Ok(found)
        })
    }

    fn currencies(&self, chain: &ChainRequest) -> PageStream<'_, Currency> {
        self.read(chain, 3, |number, _| {
            let code = word(&["eur", "usd", "jpy"], number);
            Ok(Currency::new(CurrencyId::new(code)?, CurrencyCode::new(code)?))
        })
    }

    async fn lookup(&self, _table: Table, ids: &[RecordId]) -> Result<Vec<Lookup>> {
        Ok(ids.iter().map(|_| Lookup::Hidden).collect())
    }

    async fn create_note(
        &self,
        _key: &NoteKey,
        _epoch: u32,
        _draft: &NoteDraft,
        _send_by: OffsetDateTime,
    ) -> Result<NoteWrite> {
        Err(nothing())
    }

    async fn update_note(
        &self,
        _handle: &NoteHandle,
        _draft: &NoteDraft,
        _fence: Fence<'_>,
    ) -> Result<NoteWrite> {
        Err(nothing())
    }

    async fn find_note(
        &self,
        _key: &NoteKey,
        _epoch: u32,
        _parts: NoteParts,
    ) -> Result<Option<RemoteNote>> {
        Ok(None)
    }

    fn opportunity_url(&self, _opportunity: &OpportunityId) -> Option<Url> {
        None
    }
}

#[async_trait]
impl CrmProvider for MadeUp {
    fn kind(&self) -> CrmKind {
        KIND
    }

    fn default_interval(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    fn parse_address(&self, input: &str) -> Result<String> {
        Ok(input.to_owned())
    }

    async fn authorize(&self, _: &ConnectorContext, _: &SignIn) -> Result<Authorization> {
        Err(nothing())
    }

    async fn finish(
        &self,
        _: &ConnectorContext,
        request: &SignIn,
        _: &Callback,
    ) -> Result<SignedIn> {
        let tokens = Tokens { access: "none".to_owned().into(), expires_at: None, refresh: None };
        Ok(SignedIn { identity: self.check().await?, tokens, address: request.address.clone() })
    }

    fn open(
        &self,
        _: &ConnectorContext,
        _: &Connection,
        _: Arc<dyn TokenVault>,
    ) -> Result<Arc<dyn CrmConnector>> {
        Ok(Arc::new(self.clone()))
    }
}

/// One of the stages that most opportunities are at.
pub(crate) fn stage_id(number: u64) -> Result<StageId> {
    StageId::new(guid(5, number % STAGES))
}

/// The stage that one opportunity of a thousand is at.
pub(crate) fn rare_stage() -> Result<StageId> {
    StageId::new(guid(5, STAGES))
}

/// One of the users who own opportunities.
pub(crate) fn seller(number: u64) -> Result<UserId> {
    UserId::new(guid(0, number % SELLERS))
}

fn nothing() -> Error {
    Error::invalid_input("benchmark", "it has nothing of the kind")
}
