//! The workers, what they do all day, and the judge.

use std::sync::{Arc, Mutex};

use futures_util::future::{Either, join_all, select};
use secrecy::{ExposeSecret, SecretString};
use time::{Duration, OffsetDateTime};

use crate::clock::stepped::SteppedClock;
use crate::clock::{Clock, Randomness};
use crate::connector::{Callback, ConnectorContext, SignIn};
use crate::dynamics::bearer::BearerTokens;
use crate::dynamics::credentials::{AppRegistration, ClientCredential, Credentials};
use crate::dynamics::handshake::Handshake;
use crate::dynamics::kind::DYNAMICS;
use crate::dynamics::test_bench::{bench, endpoints};
use crate::dynamics::tokens::simulation::line::{Line, Watched, Witness};
use crate::dynamics::tokens::simulation::{Ended, Play};
use crate::dynamics::tokens::{Flights, MARGIN, RefreshTokens, SPREAD, TokenSource};
use crate::error::Error;
use crate::host::{SealingKey, StaticKeys};
use crate::model::WorkspaceId;
use crate::model::{Connection, ConnectionId, Identity, MemberId, OrganisationId, RecordId};
use crate::seal::Sealer;
use crate::storage::Connections;
use crate::testkit::{FakeEntra, FakeMicrosoft, OrgBuilder, Rotation};
use crate::vault::{self, StoreVault};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Weather {
    Fair,
    Rough,
}

/// What is broken on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Spoil {
    /// A write is taken whatever stands there.
    NoCompare,
    /// Nobody sees a reservation.
    NoLease,
    /// Tokens are said to be stored and are not.
    NotStored,
    Nothing,
}

const ORG: &str = "contoso.crm4.dynamics.com";
const TOKEN_LIFE: Duration = Duration::hours(1);

pub(super) struct World {
    play: Play,
    clock: Arc<SteppedClock>,
    dice: Arc<Randomness>,
    fake: FakeMicrosoft,
    line: Arc<Line>,
    witness: Witness,
    connections: Arc<dyn Connections>,
    sealer: Sealer,
    app: Arc<AppRegistration>,
    id: ConnectionId,
}

fn workspace() -> WorkspaceId {
    WorkspaceId::new("acme").unwrap()
}

impl World {
    pub(super) fn new(play: Play) -> Self {
        let clock = SteppedClock::new();
        let dice = Arc::new(Randomness::seeded(play.seed));
        let mut org = OrgBuilder::new(7);
        org.add_user("Ada Lovelace", "ada@contoso.com");
        let fake = FakeMicrosoft::new(org.build(), Arc::<SteppedClock>::clone(&clock));
        fake.entra().set_token_life(TOKEN_LIFE);
        fake.entra().set_rotation(match play.provider {
            RefreshTokens::Reusable => Rotation::Lenient,
            RefreshTokens::SingleUse => Rotation::Strict,
        });
        let witness = Witness::default();
        let line = Line {
            fake: fake.clone(),
            clock: Arc::clone(&clock),
            dice: Arc::clone(&dice),
            witness: witness.clone(),
        };
        let secret = FakeEntra::CLIENT_SECRET.to_owned();
        let secret = ClientCredential::secret("secret", secret).unwrap();
        let credentials = Credentials::new(vec![secret]).unwrap();
        let app = AppRegistration::new(FakeEntra::CLIENT_ID, FakeEntra::REDIRECT_URI, credentials);
        let keys = StaticKeys::new(SealingKey::new("k1", [7; 32]).unwrap(), vec![]);
        Self {
            play,
            connections: play.storage.open(Arc::<SteppedClock>::clone(&clock)),
            sealer: Sealer::new(Arc::new(keys), Arc::new(Randomness::seeded(play.seed))),
            app: Arc::new(app.unwrap()),
            id: ConnectionId::derive(
                &workspace(),
                DYNAMICS.as_str(),
                &OrganisationId::new("org").unwrap(),
            ),
            line: Arc::new(line),
            clock,
            dice,
            fake,
            witness,
        }
    }

    pub(super) fn clock(&self) -> Arc<SteppedClock> {
        Arc::clone(&self.clock)
    }

    fn context(&self) -> ConnectorContext {
        ConnectorContext {
            clock: Arc::<SteppedClock>::clone(&self.clock),
            randomness: Arc::clone(&self.dice),
            ..bench().context
        }
    }

    /// Signs in and stores the connection; then the weather begins.
    pub(super) async fn connect(&self) {
        let endpoints = endpoints(ORG);
        let handshake = Handshake { app: &self.app, endpoints: &endpoints };
        let sign_in = SignIn {
            address: format!("https://{ORG}"),
            state: SecretString::from("state"),
            verifier: SecretString::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            login_hint: None,
            claims: None,
            tenant: None,
        };
        let page = handshake.authorize(&sign_in, None).unwrap().url;
        let callback = Callback::from_url(&self.fake.browse(&page).unwrap());
        let finished = handshake.finish(&*self.line, &self.context(), &sign_in, &callback).await;
        let tokens = finished.unwrap().tokens;
        let sealed = vault::seal(&self.sealer, &workspace(), self.id, &tokens).unwrap();
        let nobody =
            Identity::new(OrganisationId::new("org").unwrap(), RecordId::new("u").unwrap());
        let (ada, now) = (MemberId::new("ada").unwrap(), self.clock.now());
        let connection =
            Connection::new(self.id, workspace(), DYNAMICS, ORG.to_owned(), nobody, ada, now);
        self.connections.connect(&connection, &sealed).await.unwrap();
        self.witness.stored(&tokens, now);
        self.witness.book().weather = Some(self.play.weather);
    }

    /// A process: its sources share one flight, as the provider has it.
    fn process(&self) -> impl Fn() -> TokenSource + '_ {
        let flights = Flights::default();
        let context = self.context();
        move || TokenSource {
            app: Arc::clone(&self.app),
            endpoints: endpoints(ORG),
            tenant: None,
            refresh_tokens: self.play.provider,
            transport: Arc::<Line>::clone(&self.line),
            vault: Arc::new(Watched {
                vault: StoreVault::new(
                    Arc::clone(&self.connections),
                    self.sealer.clone(),
                    workspace(),
                    self.id,
                ),
                clock: Arc::clone(&self.clock),
                witness: self.witness.clone(),
                spoil: self.play.spoil,
            }),
            spread: TokenSource::spread(&context.randomness),
            context: context.clone(),
            held: Mutex::new(None),
            refreshing: flights.of(self.id),
        }
    }

    /// A worker's day: it dies now and then, in the middle of whatever it does, and starts again.
    pub(super) async fn worker(&self, number: u64, until: OffsetDateTime) {
        while self.clock.now() < until && !self.witness.book().died {
            let lives = match self.play.weather {
                Weather::Fair => until - self.clock.now(),
                Weather::Rough => Duration::hours(4) * self.dice.fraction(),
            };
            let dies_at = (self.clock.now() + lives).min(until);
            let process = self.process();
            let source = process();
            let tasks = 1 + self.dice.uuid().as_bytes()[0] % 16;
            let work = join_all((0..tasks).map(|_| self.task(&source, until)));
            let death = self.clock.sleep_until(dies_at);
            match select(Box::pin(work), death).await {
                Either::Left(_) => return,
                Either::Right(_) => {
                    let line = format!("{} worker {number} dies", self.clock.now());
                    self.witness.book().trace.push(line);
                }
            }
        }
    }

    async fn task(&self, source: &TokenSource, until: OffsetDateTime) {
        // A connection that has died is not used any more.
        while self.clock.now() < until && !self.witness.book().died {
            self.ask(source).await;
            let pause = Duration::minutes(20) * self.dice.fraction();
            self.clock.sleep_until(self.clock.now() + pause).await;
        }
    }

    async fn ask(&self, source: &TokenSource) {
        let got = source.bearer().await;
        let now = self.clock.now();
        let mut book = self.witness.book();
        match got {
            Ok(token) => match book.stored.get(token.expose_secret()) {
                None => book.wrong.push(format!("{now}: a token is used that is not stored")),
                Some(end) if *end <= now => book.wrong.push(format!("{now}: it has ended")),
                Some(_) => {}
            },
            Err(Error::Unauthenticated { .. }) => book.died = true,
            Err(error) if book.weather == Some(Weather::Fair) => {
                book.wrong.push(format!("{now}: {error:?}"));
            }
            Err(_) => {}
        }
    }

    /// No more faults.
    pub(super) fn calm(&self) {
        self.witness.book().weather = Some(Weather::Fair);
    }

    /// A last process that asks once.
    pub(super) async fn ask_once(&self) {
        self.ask(&self.process()()).await;
    }

    pub(super) fn judge(&self) -> Ended {
        let mut book = self.witness.book();
        if self.play.weather == Weather::Fair {
            let twice = book.sent.values().filter(|times| **times > 1).count();
            if twice > 0 {
                book.wrong.push(format!("a refresh token was sent twice, {twice} of them"));
            }
            let earliest = TOKEN_LIFE - MARGIN - SPREAD - Duration::minutes(1);
            let gaps: Vec<_> = book.times.windows(2).map(|pair| pair[1] - pair[0]).collect();
            if gaps.iter().any(|gap| *gap < earliest) {
                book.wrong.push(format!("refreshed more than once per expiry: {gaps:?}"));
            }
        }
        let lost = book.late || !book.unstored.is_empty();
        if book.died && (self.play.provider == RefreshTokens::Reusable || !lost) {
            book.wrong.push("it died although no answer was lost".to_owned());
        }
        Ended {
            refreshes: book.sent.values().map(|times| u64::from(*times)).sum(),
            died: book.died,
            wrong: std::mem::take(&mut book.wrong),
            trace: std::mem::take(&mut book.trace),
        }
    }
}
