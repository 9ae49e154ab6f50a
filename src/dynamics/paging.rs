//! Follows nextLinks: verbatim, checked, and ahead of whoever stores the pages.
//!
//! *Flow.* A task of its own fetches a page, sends for the next one as soon as its link is seen, and
//! only then decodes the page, away from the runtime's threads. So one page is on its way while
//! another is decoded and a third is stored.
//!
//! *Guarantees.* A link is sent only if it leads to the same org and table. At most three pages of a
//! chain are held at once, and all chains together no more bytes than
//! [`Intake`](crate::intake::Intake) allows. Dropping the stream ends the task.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use http::StatusCode;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument;
use url::{Position as UrlPosition, Url};

use crate::connector::{ChainRequest, PageStream};
use crate::dynamics::call::Call;
use crate::dynamics::code::Code;
use crate::dynamics::decode::peek::next_link;
use crate::dynamics::decode::{BodyFault, Decoded, Source, page};
use crate::dynamics::endpoints::Endpoints;
use crate::dynamics::error::{Failure, Refusal};
use crate::dynamics::ranges::first_page;
use crate::dynamics::web_api::{Answer, WebApi};
use crate::error::{Error, Result};
use crate::http::transport::Response;
use crate::intake::{BytesHeld, Intake};
use crate::model::Record;
use crate::walk::{Notice, Page, ResumeToken, TimeRange};

/// Servers refuse longer request lines.
const MAX_LINK_BYTES: usize = 32 * 1024;

/// The service does not know a cookie any more: its page, or its order.
const STALE_COOKIE: [Code; 2] = [Code(0x8004_112A), Code(0x8004_1129)];

/// What is reserved for a chain's first page, whose size nobody knows yet.
const FIRST_PAGE_BYTES: usize = 2 * 1024 * 1024;

/// Bodies smaller than this are decoded where they arrive: handing them on would cost more.
const SMALL_BODY: usize = 64 * 1024;

/// What is known of a chain's pages before they come.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// To be said with the first page.
    pub(crate) notices: Vec<Notice>,
    /// Fields of the model that no page can tell.
    pub(crate) absent: &'static [&'static str],
}

/// Reads one chain of a table, from its start or from where an earlier run came to.
///
/// What is given beforehand goes along with its pages.
pub(crate) fn read_chain<S: Source>(
    api: &Arc<WebApi>,
    intake: &Arc<Intake>,
    source: S,
    request: &ChainRequest,
    given: Given,
) -> PageStream<'static, S::Row> {
    let (sender, receiver) = mpsc::channel(1);
    let reader = Reader {
        api: Arc::clone(api),
        intake: Arc::clone(intake),
        source: Arc::new(source),
        range: request.plan.range,
        followed: BTreeSet::new(),
        origin: if request.from.is_some() { Origin::Cursor } else { Origin::Run },
        bytes: None,
        given,
    };
    let from = request.from.clone();
    let start = async move {
        let mut task = JoinSet::new();
        task.spawn(reader.run(from, sender).in_current_span());
        Reading { task, receiver }
    };
    stream::once(start).map(|reading| stream::unfold(reading, Reading::next)).flatten().boxed()
}

/// The one page of a chain that cannot be read.
pub(crate) fn unreadable<R: Record>(notice: Notice) -> PageStream<'static, R> {
    let page = Page { notices: vec![notice], ..Page::last(Vec::new()) };
    stream::once(async { Ok(page) }).boxed()
}

/// A chain whose read ended before it began.
pub(crate) fn failed<R: Record>(error: Error) -> PageStream<'static, R> {
    stream::once(async { Err(error) }).boxed()
}

/// Accepts a nextLink: the same org and table, in the very spelling that will be sent.
///
/// # Errors
/// [`Error::UnexpectedResponse`]; nothing was sent.
pub(crate) fn check_link(endpoints: &Endpoints, set: &str, link: &str) -> Result<Url> {
    let refuse = |detail: &str| Err(Error::unexpected("read the next page", detail));
    if link.len() > MAX_LINK_BYTES {
        return refuse("a nextLink longer than 32 KB");
    }
    let Ok(url) = Url::parse(link) else {
        return refuse("a nextLink that is no absolute URL");
    };
    if !endpoints.accepts(&url) || url.fragment().is_some() {
        return refuse("a nextLink that leads out of the org");
    }
    if url.path() != endpoints.web_api(set)?.path() {
        return refuse("a nextLink that leads to another table");
    }
    // What the parser had to mend (case, ports, user info, white space) was not written by the
    // service.
    if !link.starts_with(&url[..UrlPosition::AfterPath]) || url.as_str().len() > MAX_LINK_BYTES {
        return refuse("a nextLink in an unusual spelling");
    }
    Ok(url)
}

/// What a reader's task hands over.
type Delivery<R> = Result<Page<R>>;

/// The task that reads a chain, from outside; dropping it ends the task.
struct Reading<R> {
    task: JoinSet<()>,
    receiver: mpsc::Receiver<Delivery<R>>,
}

impl<R: Record> Reading<R> {
    async fn next(mut self) -> Option<(Delivery<R>, Self)> {
        if let Some(delivery) = self.receiver.recv().await {
            return Some((delivery, self));
        }
        // The task is over. It ends by itself after the last page or an error; otherwise it was
        // stopped from outside.
        match self.task.join_next().await? {
            Ok(()) => None,
            Err(cause) => {
                let operation = operation_on::<R>();
                let source = Some(Box::new(cause) as _);
                let error = Error::Unavailable { operation, retry_at: None, source };
                Some((Err(error), self))
            }
        }
    }
}

/// A page on its way. Dropped, it is not waited for.
struct Ahead {
    link: Option<String>,
    fetch: JoinSet<Answer>,
}

/// Where the page on its way was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// By a cursor of an earlier run.
    Cursor,
    /// By this run.
    Run,
}

/// A page, and what follows it.
struct Turned<R> {
    page: Page<R>,
    ahead: Option<Ahead>,
}

struct Reader<S: Source> {
    api: Arc<WebApi>,
    intake: Arc<Intake>,
    source: Arc<S>,
    range: TimeRange,
    /// Hashes of the links followed in this chain.
    followed: BTreeSet<u64>,
    /// Where the page on its way comes from.
    origin: Origin,
    /// How many bytes the last page had: what is reserved for the next.
    bytes: Option<usize>,
    given: Given,
}

impl<S: Source> Reader<S> {
    async fn run(mut self, from: Option<ResumeToken>, pages: mpsc::Sender<Delivery<S::Row>>) {
        let mut ahead = match self.begin(from) {
            Ok(ahead) => Some(ahead),
            Err(error) => return drop(pages.send(Err(error)).await),
        };
        while let Some(coming) = ahead.take() {
            let arrived = arrive::<S>(coming).await;
            // Rows wait for the store as the body they came in, which is smaller. Nobody may be
            // listening any more; then this is the end, too.
            let Ok(place) = pages.reserve().await else { return };
            let delivery = match arrived {
                Ok(answer) => self.turn(answer).await,
                Err(error) => Err(error),
            };
            place.send(delivery.map(|turned| {
                ahead = turned.ahead;
                turned.page
            }));
        }
    }

    /// Sends for the first page.
    fn begin(&mut self, from: Option<ResumeToken>) -> Result<Ahead> {
        let endpoints = self.api.endpoints();
        let (url, link) = match from {
            Some(token) => {
                let url = check_link(endpoints, self.source.set(), token.as_str())
                    .map_err(|_| stale_cursor())?;
                self.followed.insert(hash(token.as_str()));
                (url, Some(token.as_str().to_owned()))
            }
            None => (endpoints.web_api(&first_page(&*self.source, self.range)?)?, None),
        };
        Ok(self.send_for(url, link))
    }

    /// Sends for the next page, and decodes the one that came.
    async fn turn(&mut self, answer: Answer) -> Result<Turned<S::Row>> {
        let Answer { result, held } = answer;
        let response = match result {
            Ok(response) => response,
            Err(failure) => {
                let notices = self.give_up(failure)?;
                return Ok(Turned { page: self.page(Vec::new(), 0, notices, held), ahead: None });
            }
        };
        self.bytes = Some(response.body.len());
        let guessed = self.guess(&response);
        let (decoded, held) = self.decode(response, held).await?;
        self.origin = Origin::Run;
        let Decoded { rows, unreadable, notices, absent, next_link } = decoded;
        let mut page = self.page(rows, unreadable, notices, held);
        let absent = absent.into_iter().chain(self.given.absent.iter().copied());
        page.absent = absent.map(Cow::Borrowed).collect();
        let Some(link) = next_link else { return Ok(Turned { page, ahead: None }) };
        let url = check_link(self.api.endpoints(), self.source.set(), &link)?;
        if !self.followed.insert(hash(&link)) {
            let detail = "a nextLink that was followed before";
            return Err(Error::unexpected(operation::<S>(), detail));
        }
        page.resume = Some(ResumeToken::new(link.clone()));
        let ahead = match guessed {
            Some(ahead) if ahead.link.as_ref() == Some(&link) => ahead,
            _ => self.send_for(url, Some(link)),
        };
        Ok(Turned { page, ahead: Some(ahead) })
    }

    /// Sends for the next page before this one is decoded, if its link can be seen.
    fn guess(&self, response: &Response) -> Option<Ahead> {
        let link = next_link(&response.body)?;
        let url = check_link(self.api.endpoints(), self.source.set(), link).ok()?;
        let fresh = !self.followed.contains(&hash(link));
        fresh.then(|| self.send_for(url, Some(link.to_owned())))
    }

    fn send_for(&self, url: Url, link: Option<String>) -> Ahead {
        // Pages of one table differ little; a small one is no reason to make much room.
        let buffer = self.bytes.map_or(0, |bytes| bytes + bytes / 16);
        let room = self.bytes.unwrap_or(FIRST_PAGE_BYTES);
        let call = Call::read(operation::<S>(), url).expecting(buffer).taking(room);
        let api = Arc::clone(&self.api);
        let fetch = async move { api.take_in(&call).await };
        let mut ahead = Ahead { link, fetch: JoinSet::new() };
        ahead.fetch.spawn(fetch.in_current_span());
        ahead
    }

    async fn decode(
        &self,
        response: Response,
        held: BytesHeld,
    ) -> Result<(Decoded<S::Row>, BytesHeld)> {
        let done = if response.body.len() < SMALL_BODY {
            Some((page(&*self.source, &response.body), held))
        } else {
            let source = Arc::clone(&self.source);
            self.intake.compute(held, move || page(&*source, &response.body)).await
        };
        let (decoded, held) = done
            .ok_or_else(|| Error::unexpected(operation::<S>(), "the page could not be decoded"))?;
        Ok((decoded.map_err(|fault| self.unusable(fault))?, held))
    }

    /// Ends the chain when its table may degrade, else the read.
    fn give_up(&self, failure: Failure) -> Result<Vec<Notice>> {
        if let Failure::Refused(refusal) = &failure {
            if self.origin == Origin::Cursor && is_stale_cookie(refusal) {
                return Err(stale_cursor());
            }
            if self.range != TimeRange::ALL && refusal.status == StatusCode::BAD_REQUEST {
                // The service does not take the range: the next plan is plainer.
                return Err(stale_cursor());
            }
            if let Some(notices) = self.source.degrade(refusal) {
                return Ok(notices);
            }
        }
        Err(failure.into_error(operation::<S>(), self.api.now()))
    }

    fn unusable(&self, fault: BodyFault) -> Error {
        match fault {
            BodyFault::Refused(refusal) => refusal.into_error(operation::<S>(), self.api.now()),
            BodyFault::Unexpected { detail, source } => {
                Error::UnexpectedResponse { operation: operation::<S>(), detail, source }
            }
        }
    }

    fn page(
        &mut self,
        rows: Vec<S::Row>,
        unreadable: u32,
        mut notices: Vec<Notice>,
        bytes: BytesHeld,
    ) -> Page<S::Row> {
        notices.append(&mut self.given.notices);
        Page { unreadable, notices, bytes, ..Page::last(rows) }
    }
}

/// Waits for a page.
async fn arrive<S: Source>(mut coming: Ahead) -> Result<Answer> {
    match coming.fetch.join_next().await {
        Some(Ok(answer)) => Ok(answer),
        // The task was stopped from outside: the runtime is shutting down.
        Some(Err(cause)) => Err(Error::Unavailable {
            operation: operation::<S>(),
            retry_at: None,
            source: Some(Box::new(cause)),
        }),
        None => Err(Error::unexpected(operation::<S>(), "no page is on its way")),
    }
}

/// The read's name in errors: `read the opportunities`.
pub(crate) fn operation<S: Source>() -> Cow<'static, str> {
    operation_on::<S::Row>()
}

fn operation_on<R: Record>() -> Cow<'static, str> {
    format!("read the {}", R::TABLE.as_str().replace('_', " ")).into()
}

fn is_stale_cookie(refusal: &Refusal) -> bool {
    refusal.code.is_some_and(|code| STALE_COOKIE.contains(&code))
}

/// What was kept of an earlier run is of no use any more: plan and read the table anew.
pub(crate) fn stale_cursor() -> Error {
    Error::invalid_input("the place to go on reading from", "the table changed since it was kept")
}

fn hash(link: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    link.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
