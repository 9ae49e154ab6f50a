//! One connection's requests: who asks, throttles waited out, and all kinds of trouble on the way.

use std::sync::Arc;

use fluint_crm::connector::{ConnectorContext, TokenVault};
use fluint_crm::model::RecordId;
use fluint_crm::storage::GateKey;
use fluint_crm::{Error, Result};
use secrecy::ExposeSecret;
use time::OffsetDateTime;

use crate::simulation::crm::LivingCrm;
use crate::simulation::org::Kept;
use crate::simulation::world::World;

/// One connection's line to it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) crm: LivingCrm,
    pub(super) context: ConnectorContext,
    pub(super) gate: GateKey,
    pub(super) vault: Arc<dyn TokenVault>,
}

/// Whose eyes a request is answered for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Eyes(pub(super) String);

impl Eyes {
    /// The clerk never sees about a quarter of the rows.
    pub(super) fn see<R>(&self, id: &RecordId, kept: &Kept<R>) -> bool {
        let sum: u32 = id.as_str().bytes().map(u32::from).sum();
        !kept.hidden && (self.0 != "clerk" || !sum.is_multiple_of(4))
    }
}

/// The longest throttle that a connector waits out itself.
const PATIENCE: time::Duration = time::Duration::minutes(15);

fn unavailable(retry_at: Option<OffsetDateTime>) -> Error {
    Error::Unavailable { operation: "ask the org".into(), retry_at, source: None }
}

impl Line {
    pub(super) fn world(&self) -> &World {
        &self.crm.world
    }

    async fn wait(&self, seconds: time::Duration) {
        let until = self.context.clock.now() + seconds;
        self.context.clock.sleep_until(until).await;
    }

    /// Waits out the throttles of the user, as every connector must.
    async fn pass_gate(&self) -> Result<()> {
        loop {
            let now = self.context.clock.now();
            match self.context.gates.held_until(&self.gate).await? {
                Some(until) if until - now > PATIENCE => {
                    return Err(Error::RateLimited { retry_at: until });
                }
                Some(until) if until > now => self.context.clock.sleep_until(until).await,
                _ => return Ok(()),
            }
        }
    }

    /// Sends a request: waits for its turn, meets faults, and says for whom it is answered.
    pub(super) async fn request(&self, what: &str, from_cursor: bool) -> Result<Eyes> {
        let world = self.world();
        loop {
            self.pass_gate().await?;
            if world.dice.happens(0.5) {
                self.wait(world.dice.seconds(0, 3)).await;
            }
            let tokens = self.vault.load().await?;
            let eyes =
                tokens.tokens.access.expose_secret().trim_start_matches("marker-").to_owned();
            world.book.note(self.context.clock.now(), &eyes, what);
            if !world.is_rough() {
                return Ok(Eyes(eyes));
            }
            match world.dice.below(1000) {
                0..3 => {
                    world.book.count("throttles");
                    let until = self.context.clock.now() + world.dice.seconds(1, 1500);
                    self.context.gates.hold(&self.gate, until).await?;
                }
                3..20 => {
                    world.book.count("transient faults");
                    self.wait(world.dice.seconds(1, 40)).await;
                }
                20..23 => {
                    world.book.count("outages");
                    let later = self.context.clock.now() + world.dice.seconds(30, 600);
                    return Err(unavailable(world.dice.happens(0.3).then_some(later)));
                }
                23..25 => {
                    world.book.count("truncated bodies");
                    return Err(Error::unexpected("ask the org", "the body ended in its middle"));
                }
                25..32 if from_cursor => {
                    world.book.count("stale cursors");
                    return Err(Error::invalid_input("page token", "it is not taken any more"));
                }
                32 => {
                    world.book.count("dead sign-ins");
                    let reason = "Please sign in again.";
                    return Err(Error::unauthenticated(reason));
                }
                _ => return Ok(Eyes(eyes)),
            }
        }
    }
}
