//! Sends calls to the Web API: passes the gate, asks for the token at every attempt, and follows
//! the retry decision.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use time::OffsetDateTime;
use tracing::Instrument;

use crate::clock::{Clock, Randomness};
use crate::connector::Split;
use crate::dynamics::bearer::BearerTokens;
use crate::dynamics::call::{Call, share};
use crate::dynamics::challenge::claims_challenge;
use crate::dynamics::endpoints::Endpoints;
use crate::dynamics::error::{Failure, Refusal};
use crate::dynamics::parts::ConnectorParts;
use crate::error::{Error, Result};
use crate::host::Observer;
use crate::http::gate::{Deadline, Gate, MAX_WIDTH, USUAL_WIDTH};
use crate::http::retry::{
    Attempt, Budget, Hint, Idempotency, Outcome, Retry, RetryBudget, Token, decide, hold,
    retry_after,
};
use crate::http::transport::{Response, Transport, TransportError, TransportErrorKind};
use crate::intake::{BytesHeld, Intake};
use crate::model::ConnectionId;
use crate::storage::GateKey;

/// How many requests at once the environment recommends.
const PARALLELISM_HINT: &str = "x-ms-dop-hint";

/// One connection's line to the Web API.
#[derive(Debug)]
pub(crate) struct WebApi {
    endpoints: Endpoints,
    transport: Arc<dyn Transport>,
    tokens: Arc<dyn BearerTokens>,
    clock: Arc<dyn Clock>,
    randomness: Arc<Randomness>,
    observer: Arc<dyn Observer>,
    connection: ConnectionId,
    intake: Arc<Intake>,
    gate: Gate,
    budget: RetryBudget,
}

/// What one call has been through.
struct Course {
    attempt: Attempt,
    /// A token that was renewed for this call and not sent yet.
    renewed: Option<SecretString>,
    /// A write whose outcome was lost at an earlier attempt.
    lost: bool,
    /// Room for the answer, while it is on its way.
    held: BytesHeld,
}

/// An answer that was called final, with the bytes reserved for it.
pub(crate) struct Answer {
    pub(crate) result: Result<Response, Failure>,
    pub(crate) held: BytesHeld,
}

/// One attempt's end: the answer or its absence, with the token that it carried.
struct Ended {
    answer: Result<Response, TransportError>,
    token: SecretString,
}

impl WebApi {
    pub(crate) fn new(parts: &ConnectorParts) -> Self {
        let context = &parts.context;
        let (clock, gates) = (Arc::clone(&context.clock), Arc::clone(&context.gates));
        Self {
            endpoints: parts.endpoints.clone(),
            transport: Arc::clone(&parts.transport),
            tokens: Arc::clone(&parts.tokens),
            clock: Arc::clone(&context.clock),
            randomness: Arc::clone(&context.randomness),
            observer: Arc::clone(&context.observer),
            connection: parts.connection.id,
            intake: Arc::clone(&context.intake),
            gate: Gate::new(
                GateKey::of(&parts.connection),
                clock,
                gates,
                most_at_once(context.split),
            ),
            budget: RetryBudget::new(),
        }
    }

    pub(crate) const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// How many requests may be under way at once.
    pub(crate) fn width(&self) -> usize {
        self.gate.width()
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// Reads from a path below the service root.
    ///
    /// # Errors
    /// What the refusal means, or why there was no answer.
    pub(crate) async fn read(
        &self,
        operation: impl Into<Cow<'static, str>>,
        path_and_query: &str,
    ) -> Result<Response> {
        let call = Call::read(operation, self.endpoints.web_api(path_and_query)?);
        self.send(&call)
            .await
            .map_err(|failure| failure.into_error(call.operation.clone(), self.now()))
    }

    /// Sends a call until its end is final: an answer with a status of success, or a failure.
    pub(crate) async fn send(&self, call: &Call) -> Result<Response, Failure> {
        self.take_in(call).await.result
    }

    /// Sends a call whose answer takes room among the bytes in flight.
    ///
    /// The room is taken when the request may go out, and given back before every wait: somebody
    /// who is throttled keeps nobody else from reading.
    pub(crate) async fn take_in(&self, call: &Call) -> Answer {
        let span = tracing::debug_span!(
            "dataverse",
            org = self.endpoints.org_host(),
            operation = %call.operation,
            attempts = tracing::field::Empty,
            status = tracing::field::Empty,
        );
        self.follow(call).instrument(span).await
    }

    async fn follow(&self, call: &Call) -> Answer {
        self.budget.offer();
        let mut course = Course {
            attempt: Attempt { number: 0, token: Token::Offered, jitter: 0.0 },
            renewed: None,
            lost: false,
            held: BytesHeld::NONE,
        };
        let result = loop {
            course.attempt.number += 1;
            course.attempt.jitter = self.randomness.fraction();
            match self.step(call, &mut course).await {
                Ok(Some(end)) => break end,
                Ok(None) => {}
                Err(error) if course.lost => break Err(Failure::Lost(error)),
                Err(error) => break Err(Failure::Stopped(error)),
            }
        };
        let mut held = course.held;
        let came = result.as_ref().map_or(0, |response| response.body.len());
        self.intake.adjust(&mut held, share(came));
        Answer { result, held }
    }

    /// One attempt and what follows from it: the call's end, or `None` when it goes on.
    ///
    /// # Errors
    /// Whatever stops the call besides its own answer: tokens, throttles, the store.
    async fn step(
        &self,
        call: &Call,
        course: &mut Course,
    ) -> Result<Option<Result<Response, Failure>>> {
        let ended = self.attempt(call, course).await?;
        let outcome = self.judge(&ended.answer);
        tracing::Span::current().record("attempts", course.attempt.number);
        if let Ok(response) = &ended.answer {
            tracing::Span::current().record("status", response.status.as_u16());
        }
        course.lost |= call.idempotency() != Idempotency::Read && outcome.is_ambiguous();
        if let Some(wait) = hold(course.attempt, outcome) {
            self.hold(self.now() + wait).await?;
        }
        let retry = self.decide(course.attempt, outcome, call.idempotency());
        if retry != Retry::Stop {
            course.held = BytesHeld::NONE;
        }
        match retry {
            Retry::AfterBackoff { wait } => {
                tracing::debug!(?outcome, ?wait, "trying again");
                // A refusal may have a large body, too.
                drop(ended);
                self.clock.sleep_until(self.now() + wait).await;
                Ok(None)
            }
            Retry::AfterHold { .. } => Ok(None),
            Retry::GiveBack { after } => Err(Error::RateLimited { retry_at: self.now() + after }),
            Retry::WithFreshToken => {
                let claims = ended.answer.ok().and_then(|answer| challenge(&answer));
                course.attempt.token = Token::Renewed;
                course.renewed = Some(self.tokens.renew(&ended.token, claims.as_deref()).await?);
                Ok(None)
            }
            Retry::Stop => Ok(Some(self.end(call, course, outcome, ended.answer))),
        }
    }

    /// Sends once, when the gate is open, with room for the answer and a token that is fresh then.
    ///
    /// Nobody waits for a hold's end or for room in one of the few places, where others could send.
    async fn attempt(&self, call: &Call, course: &mut Course) -> Result<Ended> {
        let (_place, token) = loop {
            let place = self.gate.enter().await?;
            let token = match course.renewed.take() {
                Some(token) => token,
                None => self.tokens.bearer().await?,
            };
            if let Some(until) = self.gate.closed_until(|until| self.tell(until)).await? {
                if call.send_by().is_some_and(|by| by < until) {
                    return Err(Error::RateLimited { retry_at: until });
                }
                course.held = BytesHeld::NONE;
                drop(place);
                tracing::debug!(%until, "waiting as the service asked");
                self.clock.sleep_until(until).await;
            } else if self.has_room(call, course) {
                break (place, token);
            } else {
                drop(place);
                course.held = self.intake.reserve(call.room()).await;
            }
        };
        if call.send_by().is_some_and(|by| by < self.now()) {
            let operation = call.operation.clone();
            return Err(Error::Unavailable { operation, retry_at: None, source: None });
        }
        let answer = self.transport.send(call.request(&token)?).await;
        if let Ok(response) = &answer {
            self.heed_parallelism(&response.headers);
        }
        Ok(Ended { answer, token })
    }

    /// Whether there is room for the answer, without waiting.
    fn has_room(&self, call: &Call, course: &mut Course) -> bool {
        if call.room() == 0 || !course.held.is_none() {
            return true;
        }
        let held = self.intake.try_reserve(call.room());
        let found = held.is_some();
        course.held = held.unwrap_or_default();
        found
    }

    fn judge(&self, answer: &Result<Response, TransportError>) -> Outcome {
        match answer {
            Ok(response) => Outcome::Status {
                status: response.status,
                retry_after: retry_after(&response.headers, self.now()),
                hint: Refusal::of(response).map_or(Hint::None, |refusal| refusal.hint()),
            },
            Err(error) => Outcome::NoAnswer(error.kind),
        }
    }

    fn decide(&self, attempt: Attempt, outcome: Outcome, idempotency: Idempotency) -> Retry {
        let budget = self.budget.reserve();
        let retry = decide(attempt, outcome, idempotency, budget);
        if budget == Budget::Left && !retry.is_charged(outcome) {
            self.budget.put_back();
        }
        retry
    }

    fn end(
        &self,
        call: &Call,
        course: &Course,
        outcome: Outcome,
        answer: Result<Response, TransportError>,
    ) -> Result<Response, Failure> {
        let error = match answer {
            Ok(response) => {
                let Some(refusal) = Refusal::of(&response) else {
                    return Ok(response);
                };
                // A definite refusal speaks for the attempts before it, too; the others do not.
                let definite =
                    refusal.status != StatusCode::UNAUTHORIZED && !outcome.is_ambiguous();
                if definite || !course.lost {
                    return Err(Failure::Refused(refusal));
                }
                refusal.into_error(call.operation.clone(), self.now())
            }
            Err(error) => no_answer(call.operation.clone(), error),
        };
        Err(if course.lost { Failure::Lost(error) } else { Failure::Stopped(error) })
    }

    fn heed_parallelism(&self, headers: &HeaderMap) {
        let hint = headers.get(PARALLELISM_HINT).and_then(|value| value.to_str().ok());
        if let Some(recommended) = hint.and_then(|hint| hint.trim().parse().ok()) {
            self.gate.recommend(recommended);
        }
    }

    /// Holds everybody back who acts as this user, and says so.
    async fn hold(&self, until: OffsetDateTime) -> Result<()> {
        if self.gate.learn(until) == Deadline::Later {
            self.tell(until);
        }
        self.gate.hold(until).await
    }

    fn tell(&self, until: OffsetDateTime) {
        tracing::debug!(%until, "throttled");
        self.observer.throttled(self.connection, until);
    }
}

/// How many requests may be under way at once, if the service recommends as many.
fn most_at_once(split: Split) -> usize {
    match split {
        Split::Automatic | Split::Off => USUAL_WIDTH,
        Split::Fixed(chains) => {
            usize::try_from(chains.get()).unwrap_or(MAX_WIDTH).clamp(USUAL_WIDTH, MAX_WIDTH)
        }
    }
}

fn challenge(answer: &Response) -> Option<String> {
    let challenges = answer.headers.get_all(WWW_AUTHENTICATE);
    challenges.iter().filter_map(|value| value.to_str().ok()).find_map(claims_challenge)
}

fn no_answer(operation: Cow<'static, str>, error: TransportError) -> Error {
    match error.kind {
        TransportErrorKind::UnusableBody => Error::UnexpectedResponse {
            operation,
            detail: "a body that is too large or cannot be decompressed".to_owned(),
            source: Some(Box::new(error)),
        },
        TransportErrorKind::NotSent | TransportErrorKind::MaybeSent => {
            Error::Unavailable { operation, retry_at: None, source: Some(Box::new(error)) }
        }
    }
}

#[cfg(test)]
mod tests;
