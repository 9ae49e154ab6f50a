//! Follows nextLinks: verbatim, checked, in a fixed order, and one page ahead of the reader.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream;
use tokio::task::JoinSet;
use tracing::Instrument;
use url::{Position as UrlPosition, Url};

use crate::connector::PageStream;
use crate::dynamics::call::Call;
use crate::dynamics::decode::{BodyFault, Decoded, Source, page};
use crate::dynamics::endpoints::Endpoints;
use crate::dynamics::error::{Code, Failure, Refusal};
use crate::dynamics::web_api::WebApi;
use crate::error::{Error, Result};
use crate::http::transport::Response;
use crate::model::Record;
use crate::walk::{Chain, ChainCursor, Notice, Page, Position, ResumeToken};

/// Servers refuse longer request lines.
const MAX_LINK_BYTES: usize = 32 * 1024;

/// The service does not know a cookie any more: its page, or its order.
const STALE_COOKIE: [Code; 2] = [Code(0x8004_112A), Code(0x8004_1129)];

/// What a table is read from: one chain per part.
#[derive(Debug)]
pub(crate) struct Plan<S> {
    pub(crate) parts: Vec<Part<S>>,
    /// What is to be said with the first page.
    pub(crate) notices: Vec<Notice>,
}

/// One chain of a table.
#[derive(Debug)]
pub(crate) enum Part<S> {
    /// To be read.
    Readable(S),
    /// Known not to be readable.
    Unreadable(Notice),
}

impl<S> Plan<S> {
    pub(crate) fn one(source: S) -> Self {
        Self { parts: vec![Part::Readable(source)], notices: Vec::new() }
    }

    pub(crate) fn nothing(notice: Notice) -> Self {
        Self { parts: Vec::new(), notices: vec![notice] }
    }
}

/// Reads a table, chain after chain, from its start or from the cursors of an earlier run.
///
/// `plan` finds out what there is to read; it runs when the stream is first asked.
pub(crate) fn read_table<S: Source>(
    api: &Arc<WebApi>,
    from: &[ChainCursor],
    plan: impl FnOnce(Arc<WebApi>) -> BoxFuture<'static, Result<Plan<S>>> + Send + 'static,
) -> PageStream<'static, S::Row> {
    let (api, from) = (Arc::clone(api), from.to_vec());
    let start = async move {
        let plan = plan(Arc::clone(&api)).await?;
        Ok::<_, Error>(Reader::new(api, plan, from))
    };
    stream::once(start)
        .map(|reader| match reader {
            Ok(reader) => stream::try_unfold(reader, Reader::step).boxed(),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        })
        .flatten()
        .boxed()
}

/// The first page's path and query: a fixed order, so that pages neither overlap nor leave a gap.
pub(crate) fn first_page<S: Source>(source: &S) -> String {
    let (set, key, select) = (source.set(), source.key(), source.select().join(","));
    match source.filter() {
        Some(filter) => format!("{set}?$select={select}&$filter={filter}&$orderby={key}"),
        None => format!("{set}?$select={select}&$orderby={key}"),
    }
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

type Fetched = Result<Response, Failure>;

struct Reader<S: Source> {
    api: Arc<WebApi>,
    parts: Vec<Part<S>>,
    from: Vec<ChainCursor>,
    notices: Vec<Notice>,
    /// The chain being read.
    index: usize,
    /// The page on its way. Dropped with the reader, it is not waited for.
    ahead: JoinSet<Fetched>,
    /// Hashes of the links followed in this chain.
    followed: BTreeSet<u64>,
    /// Where a resumed chain's first page comes from.
    origin: Origin,
    done: bool,
}

/// Where the page on its way was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// By a cursor of an earlier run.
    Cursor,
    /// By this run.
    Run,
}

impl<S: Source> Reader<S> {
    fn new(api: Arc<WebApi>, plan: Plan<S>, from: Vec<ChainCursor>) -> Self {
        Self {
            api,
            parts: plan.parts,
            from,
            notices: plan.notices,
            index: 0,
            ahead: JoinSet::new(),
            followed: BTreeSet::new(),
            origin: Origin::Run,
            done: false,
        }
    }

    /// The next page, for `try_unfold`.
    async fn step(mut self) -> Result<Option<(Page<S::Row>, Self)>> {
        Ok(self.next().await?.map(|page| (page, self)))
    }

    async fn next(&mut self) -> Result<Option<Page<S::Row>>> {
        if self.done || self.nothing_left()? {
            return Ok(None);
        }
        if self.parts.is_empty() {
            self.done = true;
            let notices = std::mem::take(&mut self.notices);
            return Ok(Some(Page { notices, ..Page::whole_table(Vec::new()) }));
        }
        if self.ahead.is_empty()
            && let Some(page) = self.begin_chain()?
        {
            return Ok(Some(page));
        }
        let fetched = self.arrive().await?;
        let page = match fetched {
            Ok(response) => self.decode(&response)?,
            Err(failure) => self.give_up(failure)?,
        };
        Ok(Some(page))
    }

    /// Whether an earlier run read every chain to its end. Moves on to the first that it did not.
    ///
    /// A table of several sources is read again from its start: between two runs a source may have
    /// taken the place of another, and the cursors name places, not sources.
    fn nothing_left(&mut self) -> Result<bool> {
        if self.parts.len() > 1 && !self.from.is_empty() {
            return Err(stale_cursor());
        }
        if let Some(cursor) = self.from.first() {
            let parts = self.parts.len().max(1);
            if usize::try_from(cursor.chain.of) != Ok(parts) {
                return Err(stale_cursor());
            }
        }
        while self.index < self.parts.len() && self.was_ended(self.index) {
            self.index += 1;
        }
        Ok(!self.parts.is_empty() && self.index >= self.parts.len())
    }

    fn was_ended(&self, index: usize) -> bool {
        self.cursor(index).is_some_and(|cursor| cursor.resume.is_none())
    }

    fn cursor(&self, index: usize) -> Option<&ChainCursor> {
        self.from.iter().find(|cursor| usize::try_from(cursor.chain.index) == Ok(index))
    }

    /// Sends for the chain's first page, or gives the only page of a chain that is not readable.
    fn begin_chain(&mut self) -> Result<Option<Page<S::Row>>> {
        self.followed.clear();
        let source = match &self.parts[self.index] {
            Part::Readable(source) => source,
            Part::Unreadable(notice) => {
                let notices = vec![notice.clone()];
                return Ok(Some(self.last_page(Vec::new(), 0, notices)));
            }
        };
        let resume = self.cursor(self.index).and_then(|cursor| cursor.resume.clone());
        let url = match &resume {
            Some(token) => check_link(self.api.endpoints(), source.set(), token.as_str())
                .map_err(|_| stale_cursor())?,
            None => self.api.endpoints().web_api(&first_page(source))?,
        };
        self.origin = if resume.is_some() { Origin::Cursor } else { Origin::Run };
        if let Some(token) = resume {
            self.followed.insert(hash(token.as_str()));
        }
        self.send_for(url);
        Ok(None)
    }

    fn send_for(&mut self, url: Url) {
        let api = Arc::clone(&self.api);
        let call = Call::read(operation::<S>(), url);
        let fetch = async move { api.send(&call).await };
        self.ahead.spawn(fetch.in_current_span());
    }

    async fn arrive(&mut self) -> Result<Fetched> {
        match self.ahead.join_next().await {
            Some(Ok(fetched)) => Ok(fetched),
            // The task was stopped from outside: the runtime is shutting down.
            Some(Err(cause)) => Err(Error::Unavailable {
                operation: operation::<S>(),
                retry_at: None,
                source: Some(Box::new(cause)),
            }),
            None => Err(Error::unexpected(operation::<S>(), "no page is on its way")),
        }
    }

    fn decode(&mut self, response: &Response) -> Result<Page<S::Row>> {
        let Part::Readable(source) = &self.parts[self.index] else {
            return Err(Error::unexpected(operation::<S>(), "a page of an unreadable table"));
        };
        let decoded = page(source, &response.body).map_err(|fault| self.unusable(fault))?;
        let Decoded { rows, unreadable, notices, next_link, absent: _ } = decoded;
        let Some(link) = next_link else {
            return Ok(self.last_page(rows, unreadable, notices));
        };
        let url = check_link(self.api.endpoints(), source.set(), &link)?;
        if !self.followed.insert(hash(&link)) {
            return Err(Error::unexpected(operation::<S>(), "a nextLink that was followed before"));
        }
        self.origin = Origin::Run;
        self.send_for(url);
        let mut page = self.page(rows, unreadable, notices);
        page.resume = Some(ResumeToken::new(link));
        page.position = Position::More;
        Ok(page)
    }

    /// Ends the chain when its table may degrade, else the read.
    fn give_up(&mut self, failure: Failure) -> Result<Page<S::Row>> {
        if let (Failure::Refused(refusal), Part::Readable(source)) =
            (&failure, &self.parts[self.index])
        {
            if self.origin == Origin::Cursor && is_stale_cookie(refusal) {
                return Err(stale_cursor());
            }
            if let Some(notices) = source.degrade(refusal) {
                return Ok(self.last_page(Vec::new(), 0, notices));
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

    /// The last page of the chain; moves on to the next chain.
    fn last_page(
        &mut self,
        rows: Vec<S::Row>,
        unreadable: u32,
        notices: Vec<Notice>,
    ) -> Page<S::Row> {
        let page = self.page(rows, unreadable, notices);
        self.index += 1;
        let others_left = (self.index..self.parts.len()).any(|index| !self.was_ended(index));
        self.done = !others_left;
        let position = if others_left { Position::ChainEnd } else { Position::TableEnd };
        Page { position, ..page }
    }

    fn page(
        &mut self,
        rows: Vec<S::Row>,
        unreadable: u32,
        mut notices: Vec<Notice>,
    ) -> Page<S::Row> {
        notices.append(&mut self.notices);
        let place = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Page {
            rows,
            unreadable,
            chain: Chain { index: place(self.index), of: place(self.parts.len()) },
            resume: None,
            position: Position::TableEnd,
            estimate: None,
            notices,
        }
    }
}

/// The read's name in errors: `read the opportunities`.
pub(crate) fn operation<S: Source>() -> Cow<'static, str> {
    format!("read the {}", S::Row::TABLE.as_str().replace('_', " ")).into()
}

fn is_stale_cookie(refusal: &Refusal) -> bool {
    refusal.code.is_some_and(|code| STALE_COOKIE.contains(&code))
}

/// What was kept of an earlier run is of no use any more: read the table from its start.
fn stale_cursor() -> Error {
    Error::invalid_input("the place to go on reading from", "the table changed since it was kept")
}

fn hash(link: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    link.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
