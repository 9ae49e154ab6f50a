//! Rows of the living org as a connection sees them: in small pages, in several chains, and by id.

use fluint_crm::Result;
use fluint_crm::connector::{ChainRequest, Lookup, PageStream};
use fluint_crm::model::RecordId;
use fluint_crm::walk::{Notice, Page, ResumeToken, TimeRange};
use futures_util::{StreamExt, stream};

use crate::simulation::crm::line::{Eyes, Line};
use crate::simulation::org::{Kept, Living};
use crate::simulation::world::Spoil;

/// Where a row stands in the order of its chain: ranges go by time, a whole table by id alone.
type Place = (i64, String);

fn place<R>(range: TimeRange, id: &RecordId, kept: &Kept<R>) -> Place {
    let at = if range == TimeRange::ALL { 0 } else { kept.created.unix_timestamp() };
    (at, id.as_str().to_owned())
}

fn token((at, id): &Place) -> ResumeToken {
    ResumeToken::new(format!("{at}/{id}"))
}

fn read_token(token: &ResumeToken) -> Place {
    let (at, id) = token.as_str().split_once('/').unwrap();
    (at.parse().unwrap(), id.to_owned())
}

/// Sources of a table that has several: which part of how many.
fn is_of_source(source: &str, id: &RecordId) -> bool {
    match source.split_once('#') {
        Some((_, part)) => {
            let sum: usize = id.as_str().bytes().map(usize::from).sum();
            sum % 2 == part.parse::<usize>().unwrap()
        }
        None => true,
    }
}

impl Line {
    pub(super) fn read<'a, R: Living>(&'a self, chain: &ChainRequest) -> PageStream<'a, R> {
        let start = (chain.plan.clone(), chain.from.clone(), true);
        let pages = stream::unfold(Some(start), move |state| async move {
            let (plan, from, first) = state?;
            let resumed = first && from.is_some();
            let page = self.page::<R>(&plan.source, plan.range, from.as_ref(), resumed).await;
            let next = match &page {
                Ok(Page { resume: Some(token), .. }) => Some((plan, Some(token.clone()), false)),
                _ => None,
            };
            Some((page, next))
        });
        pages.boxed()
    }

    async fn page<R: Living>(
        &self,
        source: &str,
        range: TimeRange,
        from: Option<&ResumeToken>,
        resumed: bool,
    ) -> Result<Page<R>> {
        let world = self.world();
        world.live_a_little();
        let eyes = self.request(R::TABLE.as_str(), resumed).await?;
        let after = from.map(read_token);
        let mut rows: Vec<(Place, R)> = {
            let org = world.org.lock().unwrap();
            let listed = R::shelf(&org).iter().filter(|(id, kept)| {
                let from = range.from.is_none_or(|from| kept.created >= from);
                let until = range.until.is_none_or(|until| kept.created < until);
                from && until
                    && is_of_source(source, id)
                    && kept.row.is_listed()
                    && eyes.see(id, kept)
            });
            listed.map(|(id, kept)| (place(range, id, kept), kept.row.clone())).collect()
        };
        rows.retain(|(place, _)| after.as_ref().is_none_or(|after| place > after));
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        let more = rows.len() > world.page_size;
        rows.truncate(world.page_size);
        if self.crm.world.spoil == Spoil::EndsEarly && more && world.dice.happens(0.2) {
            return Ok(Page::last(rows.into_iter().map(|(_, row)| row).collect()));
        }
        // A service may say that there is more and then have nothing.
        let goes_on = more || (!rows.is_empty() && world.dice.happens(0.05));
        let resume = rows.last().filter(|_| goes_on).map(|(place, _)| token(place));
        let page = Page { resume, ..Page::last(rows.into_iter().map(|(_, row)| row).collect()) };
        Ok(self.damage(page))
    }

    /// Rows, and whole sources, that cannot be read this once.
    fn damage<R: Living>(&self, mut page: Page<R>) -> Page<R> {
        let world = self.world();
        if !world.is_rough() || page.rows.is_empty() {
            return page;
        }
        match world.dice.below(400) {
            0 => {
                world.book.count("unreadable rows");
                page.rows.pop();
                page.unreadable = 1;
            }
            1 => {
                world.book.count("incomplete rows");
                if let Some(row) = page.rows.pop() {
                    let detail = "a column was odd".to_owned();
                    page.notices.push(Notice::RowIncomplete { id: row.record_id(), detail });
                }
            }
            2 => {
                world.book.count("unreadable sources");
                let (origin, detail) = (R::TABLE.as_str().to_owned(), "refused".to_owned());
                let notices = vec![Notice::SourceUnreadable { origin, detail }];
                page = Page { notices, ..Page::last(Vec::new()) };
            }
            _ => {}
        }
        page
    }

    pub(super) fn look_up<R: Living>(&self, eyes: &Eyes, ids: &[RecordId]) -> Vec<Lookup> {
        let org = self.world().org.lock().unwrap();
        let one = |id: &RecordId| match R::shelf(&org).get(id) {
            Some(kept) if eyes.see(id, kept) => Lookup::present(R::batch(vec![kept.row.clone()])),
            Some(_) if self.crm.world.spoil == Spoil::CallsHiddenGone => Lookup::Gone,
            // As in a real one: a list does not tell gone from hidden.
            None if ids.len() == 1 => Lookup::Gone,
            _ => Lookup::Hidden,
        };
        ids.iter().map(one).collect()
    }
}
