//! The line to Entra, with its weather, and the vault under the eyes of the judge.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use http::StatusCode;
use secrecy::ExposeSecret;
use time::{Duration, OffsetDateTime};

use crate::clock::stepped::SteppedClock;
use crate::clock::{Clock, Randomness};
use crate::connector::{Replaced, StoredTokens, TokenVault, Tokens};
use crate::dynamics::test_bench::{answer, with_header};
use crate::dynamics::tokens::simulation::STALL;
use crate::dynamics::tokens::simulation::world::{Spoil, Weather};
use crate::error::Result;
use crate::http::transport::{Request, Response, Transport, TransportError, TransportErrorKind};
use crate::model::ConnectionId;
use crate::storage::TokenVersion;
use crate::testkit::FakeMicrosoft;
use crate::vault::StoreVault;

/// What the judge knows.
#[derive(Default)]
pub(super) struct Book {
    pub(super) wrong: Vec<String>,
    pub(super) trace: Vec<String>,
    /// Access tokens that were stored, with their ends.
    pub(super) stored: BTreeMap<String, OffsetDateTime>,
    /// When they were stored.
    pub(super) times: Vec<OffsetDateTime>,
    /// How often each refresh token was sent.
    pub(super) sent: BTreeMap<String, u32>,
    /// Refresh tokens that Entra gave and nobody has stored.
    pub(super) unstored: BTreeSet<String>,
    /// An answer came after its lease.
    pub(super) late: bool,
    pub(super) died: bool,
    pub(super) weather: Option<Weather>,
}

/// Where everybody writes.
#[derive(Clone, Default)]
pub(super) struct Witness(Arc<Mutex<Book>>);

impl Witness {
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap()
    }

    /// Remembers what is stored.
    pub(super) fn stored(&self, tokens: &Tokens, now: OffsetDateTime) {
        let mut book = self.book();
        let access = tokens.access.expose_secret();
        if !book.stored.contains_key(access) {
            // Read back it has whole seconds alone, so the first word counts.
            book.stored.insert(access.to_owned(), tokens.expires_at.unwrap());
            book.times.push(now);
            book.trace.push(format!("{now} stored"));
        }
        let refresh = tokens.refresh.as_ref().unwrap().expose_secret();
        book.unstored.remove(refresh);
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

#[derive(Debug)]
pub(super) struct Line {
    pub(super) fake: FakeMicrosoft,
    pub(super) clock: Arc<SteppedClock>,
    pub(super) dice: Arc<Randomness>,
    pub(super) witness: Witness,
}

impl Line {
    async fn pause(&self, longest: Duration) {
        let at = self.clock.now() + longest * self.dice.fraction();
        self.clock.sleep_until(at).await;
    }

    async fn stall(&self) {
        self.clock.sleep_until(self.clock.now() + STALL).await;
    }

    /// What happens to a request, by chance.
    fn fate(&self) -> Fate {
        if self.witness.book().weather != Some(Weather::Rough) {
            return Fate::Arrives;
        }
        match self.dice.fraction() {
            x if x < 0.06 => Fate::Refused,
            x if x < 0.12 => Fate::LostBefore,
            x if x < 0.20 => Fate::LostAfter,
            x if x < 0.26 => Fate::Busy,
            x if x < 0.30 => Fate::Throttled,
            x if x < 0.33 => Fate::StallsBefore,
            x if x < 0.36 => Fate::StallsAfter,
            _ => Fate::Arrives,
        }
    }

    /// Lets Entra have the request, and notes what it gave away.
    async fn carry(&self, request: Request) -> Result<Response, TransportError> {
        let response = self.fake.in_process().send(request).await?;
        if response.status == StatusCode::OK {
            let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
            if let Some(refresh) = body["refresh_token"].as_str() {
                self.witness.book().unstored.insert(refresh.to_owned());
            }
        }
        Ok(response)
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    Arrives,
    Busy,
    LostAfter,
    LostBefore,
    Refused,
    StallsAfter,
    StallsBefore,
    Throttled,
}

fn broken(kind: TransportErrorKind) -> TransportError {
    TransportError { kind, source: "the weather".into() }
}

#[async_trait]
impl Transport for Line {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let fate = self.fate();
        self.witness.book().trace.push(format!("{} sent: {fate:?}", self.clock.now()));
        self.pause(Duration::seconds(2)).await;
        match fate {
            Fate::Refused => return Err(broken(TransportErrorKind::NotSent)),
            Fate::LostBefore => return Err(broken(TransportErrorKind::MaybeSent)),
            Fate::Busy => return Ok(answer(503, "")),
            Fate::Throttled => return Ok(with_header(answer(429, ""), "retry-after", "3")),
            Fate::StallsBefore => self.stall().await,
            Fate::Arrives | Fate::LostAfter | Fate::StallsAfter => {}
        }
        let form = url::form_urlencoded::parse(&request.body);
        let token = form.into_owned().find(|(name, _)| name == "refresh_token");
        if let Some((_, token)) = token {
            *self.witness.book().sent.entry(token).or_default() += 1;
        }
        let response = self.carry(request).await?;
        self.pause(Duration::seconds(2)).await;
        match fate {
            Fate::LostAfter => Err(broken(TransportErrorKind::MaybeSent)),
            Fate::StallsAfter => {
                self.witness.book().late = true;
                self.stall().await;
                Ok(response)
            }
            _ => Ok(response),
        }
    }
}

/// The vault of a worker.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) vault: StoreVault,
    pub(super) clock: Arc<SteppedClock>,
    pub(super) witness: Witness,
    pub(super) spoil: Spoil,
}

#[async_trait]
impl TokenVault for Watched {
    fn connection(&self) -> ConnectionId {
        self.vault.connection()
    }

    async fn load(&self) -> Result<StoredTokens> {
        self.vault.load().await
    }

    async fn reserve(&self, stored: &StoredTokens, until: OffsetDateTime) -> Result<Replaced> {
        if self.spoil == Spoil::NoLease {
            return Ok(Replaced::Stored(stored.version));
        }
        self.vault.reserve(stored, until).await
    }

    async fn replace(&self, expected: TokenVersion, tokens: &Tokens) -> Result<Replaced> {
        let expected = match self.spoil {
            Spoil::NotStored => return Ok(Replaced::Stored(TokenVersion(expected.0 + 1))),
            Spoil::NoCompare => self.vault.load().await?.version,
            Spoil::NoLease | Spoil::Nothing => expected,
        };
        let replaced = self.vault.replace(expected, tokens).await?;
        if matches!(replaced, Replaced::Stored(_)) {
            self.witness.stored(tokens, self.clock.now());
        }
        Ok(replaced)
    }
}
