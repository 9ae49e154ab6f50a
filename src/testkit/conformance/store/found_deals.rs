//! Behaviours of [`Deals`](crate::storage::Deals): deals found by a filter, sorted.

use time::Date;
use time::macros::date;

use crate::model::query::{DealFilter, DealQuery, DealStanding, OpportunitySort, Scope};
use crate::model::{
    AccountId, ChangeSeq, CurrencyCode, CurrentStage, Deal, DealDetails, DealId, Decision,
    MemberId, Money, Named, Outcome, SkipReason, StageSource,
};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{
    Site, amount, assert_invalid, details, stage_id, workspace,
};

/// What of a deal is looked for.
struct Wanted {
    name: &'static str,
    owner: &'static str,
    account: Option<&'static str>,
    stage: Option<&'static str>,
    value: Option<(&'static str, &'static str)>,
    close: Option<Date>,
}

fn made(wanted: &Wanted) -> DealDetails {
    let mut details = details(wanted.name);
    details.owner.member = MemberId::new(wanted.owner).unwrap();
    let named = |id: &str| Named { id: AccountId::new(id).unwrap(), name: None };
    details.account = wanted.account.map(named);
    details.stage = wanted.stage.map(|id| CurrentStage {
        stage: Some(stage_id(id)),
        name: None,
        process: None,
        process_name: None,
        since: None,
        source: StageSource::RecordColumn,
    });
    details.value = wanted
        .value
        .map(|(value, code)| Money::new(amount(value), CurrencyCode::new(code).unwrap()));
    details.close_date = wanted.close;
    details
}

const PLAIN: Wanted =
    Wanted { name: "", owner: "ada", account: None, stage: None, value: None, close: None };

/// Deals of opportunities `o1` to `o5`; the fourth stopped, the fifth ended.
async fn five(store: &StoreUnderTest, workspace: &str, number: u128) -> Site {
    let site = store.connect(workspace, number).await;
    let claim = site.claim().await;
    let wanted = [
        Wanted {
            name: "Älpha loom",
            account: Some("a1"),
            stage: Some("s1"),
            value: Some(("10", "EUR")),
            close: Some(date!(2026 - 03 - 01)),
            ..PLAIN
        },
        Wanted {
            name: "beta loom",
            owner: "bob",
            account: Some("a1"),
            value: Some(("-5", "EUR")),
            close: Some(date!(2026 - 02 - 01)),
            ..PLAIN
        },
        Wanted { name: "Alpha", stage: Some("s2"), value: Some(("10", "USD")), ..PLAIN },
        Wanted { name: "gamma", account: Some("a2"), close: Some(date!(2026 - 01 - 01)), ..PLAIN },
        Wanted { name: "delta", owner: "bob", ..PLAIN },
    ];
    for (wanted, id) in wanted.iter().zip(["o1", "o2", "o3", "o4", "o5"]) {
        let mut details = made(wanted);
        if id == "o4" {
            details.amount_without_currency = Some(amount("7"));
        }
        site.applied(&claim, id, Decision::Create(details)).await;
    }
    site.applied(&claim, "o4", Decision::Stop(SkipReason::NoStage)).await;
    site.applied(&claim, "o5", Decision::End(Outcome::Won)).await;
    site
}

impl Site {
    async fn deals_found(&self, ask: impl FnOnce(&mut DealQuery)) -> Vec<String> {
        let mut query = DealQuery::new(self.scope());
        ask(&mut query);
        let page = self.stores.deals.find(&query).await.unwrap();
        page.deals.iter().map(|deal| deal.opportunity.to_string()).collect()
    }

    async fn deals_passing(&self, filter: DealFilter) -> Vec<String> {
        self.deals_found(|query| query.filter = filter).await
    }
}

/// OLL-1: deals are found by each part of a filter, and by all together.
pub async fn oll_1_deals_are_found_by_each_part_of_a_filter(store: &StoreUnderTest) {
    let site = five(store, "acme", 1).await;
    let none = DealFilter::default;
    let table = [
        (none(), &["o3", "o1", "o2", "o5", "o4"][..]),
        (DealFilter { name: Some("LOOM al".to_owned()), ..none() }, &["o1"]),
        (DealFilter { name: Some("%".to_owned()), ..none() }, &[]),
        (DealFilter { owner: MemberId::new("bob").ok(), ..none() }, &["o2", "o5"]),
        (DealFilter { account: AccountId::new("a1").ok(), ..none() }, &["o1", "o2"]),
        (DealFilter { stage: Some(stage_id("s2")), ..none() }, &["o3"]),
        (DealFilter { standing: Some(DealStanding::Live), ..none() }, &["o3", "o1", "o2"]),
        (DealFilter { standing: Some(DealStanding::Stopped), ..none() }, &["o4"]),
        (DealFilter { standing: Some(DealStanding::Ended), ..none() }, &["o5"]),
        (DealFilter { currency: CurrencyCode::new("EUR").ok(), ..none() }, &["o1", "o2"]),
        (DealFilter { min_value: Some(amount("7")), ..none() }, &["o3", "o1", "o4"]),
        (DealFilter { max_value: Some(amount("7")), ..none() }, &["o2", "o4"]),
        (DealFilter { close_from: Some(date!(2026 - 02 - 01)), ..none() }, &["o1", "o2"]),
        (DealFilter { close_before: Some(date!(2026 - 02 - 01)), ..none() }, &["o4"]),
        (
            DealFilter {
                owner: MemberId::new("ada").ok(),
                account: AccountId::new("a1").ok(),
                standing: Some(DealStanding::Live),
                ..none()
            },
            &["o1"],
        ),
    ];
    for (filter, expected) in table {
        assert_eq!(site.deals_passing(filter.clone()).await, expected, "{filter:?}");
    }
}

/// OLL-1: deals sort like opportunities; what lacks the value comes last.
pub async fn oll_1_deals_are_sorted(store: &StoreUnderTest) {
    let site = five(store, "acme", 1).await;
    let by_close = site.deals_found(|query| query.sort = OpportunitySort::CloseDate).await;
    assert_eq!(by_close[..3], ["o4", "o2", "o1"]);
    let by_value = site.deals_found(|query| query.sort = OpportunitySort::ValueDescending).await;
    assert_eq!(by_value[2..], ["o4", "o2", "o5"]);
}

/// OLL-1: the pages of deals put together are each deal once, in every order; a cursor belongs to
/// its question, and a limit is checked.
pub async fn oll_1_pages_of_deals_follow_one_another(store: &StoreUnderTest) {
    let site = five(store, "acme", 1).await;
    for sort in
        [OpportunitySort::Name, OpportunitySort::CloseDate, OpportunitySort::ValueDescending]
    {
        let whole = site.deals_found(|query| query.sort = sort).await;
        let mut query = DealQuery::new(site.scope());
        (query.sort, query.page.limit) = (sort, 2);
        let mut pages = Vec::new();
        loop {
            let page = site.stores.deals.find(&query).await.unwrap();
            pages.extend(page.deals.iter().map(|deal| deal.opportunity.to_string()));
            query.page.cursor = page.next;
            assert!(pages.len() <= 5, "the cursors should come to an end");
            if query.page.cursor.is_none() {
                break;
            }
        }
        assert_eq!(pages, whole, "{sort:?}");
    }
    let mut query = DealQuery::new(site.scope());
    query.page.limit = 2;
    query.page.cursor = site.stores.deals.find(&query).await.unwrap().next;
    query.filter.owner = MemberId::new("ada").ok();
    assert_invalid(site.stores.deals.find(&query).await);
    (query.page.cursor, query.page.limit) = (None, 0);
    assert_invalid(site.stores.deals.find(&query).await);
}

/// OLL-1: what changed about a deal counts at once.
pub async fn oll_1_a_changed_deal_is_found_as_it_is_now(store: &StoreUnderTest) {
    let site = store.connect("acme", 1).await;
    let claim = site.claim().await;
    site.applied(&claim, "o1", Decision::Create(details("before"))).await;
    let mut after = details("after");
    after.owner.member = MemberId::new("bob").unwrap();
    site.applied(&claim, "o1", Decision::Update(after)).await;
    let named = |name: &str| DealFilter { name: Some(name.to_owned()), ..DealFilter::default() };
    assert_eq!(site.deals_passing(named("before")).await, [""; 0]);
    assert_eq!(site.deals_passing(named("after")).await, ["o1"]);
    let of = |member| DealFilter { owner: MemberId::new(member).ok(), ..DealFilter::default() };
    assert_eq!(site.deals_passing(of("ada")).await, [""; 0]);
    assert_eq!(site.deals_passing(of("bob")).await, ["o1"]);
    assert_eq!(site.changes().await.last().map(|change| change.seq), Some(ChangeSeq::new(2)));
}

/// OLL-4: deals are found in their scope alone: one connection, or all of a workspace.
pub async fn oll_4_deals_are_found_in_their_scope(store: &StoreUnderTest) {
    let mut sites = Vec::new();
    for (name, number) in [("acme", 1), ("acme", 2), ("other", 1)] {
        sites.push(five(store, name, number).await);
    }
    for site in &sites {
        assert_eq!(site.deals_found(|_| {}).await.len(), 5);
    }
    let deals = &store.stores.deals;
    let of = async |scope: Scope| deals.find(&DealQuery::new(scope)).await.unwrap().deals;
    let both = of(Scope::workspace(workspace("acme"))).await;
    assert_eq!(both.len(), 10);
    assert!(both.iter().all(|deal| deal.workspace == workspace("acme")));
    let stranger = Scope::connection(workspace("other"), sites[1].connection);
    assert_eq!(of(stranger.clone()).await, []);
    assert_eq!(deals.list(&stranger, None, 10).await.unwrap(), []);
    // Lists over connections are in the order of ids, too, page by page.
    let (scope, mut after, mut listed) = (Scope::workspace(workspace("acme")), None, Vec::new());
    loop {
        let page: Vec<Deal> = deals.list(&scope, after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        listed.extend(page.iter().map(|deal| deal.id));
    }
    let mut sorted: Vec<DealId> = both.iter().map(|deal| deal.id).collect();
    sorted.sort();
    assert_eq!(listed, sorted);
}
