//! Behaviours of [`Query`](crate::storage::Query): opportunities, sorted and filtered.

use crate::model::query::{MAX_LIMIT, OpportunityFilter, OpportunityQuery, OpportunitySort, Scope};
use crate::model::{
    AssignmentState, CustomerRef, Opportunity, OpportunityStatus, OwnerRef, Record, Stage,
    StageAssignment,
};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{
    Site, account, amount, assignment, contact, currency, opportunity, stage, stage_id, user,
    workspace,
};
use crate::testkit::conformance::store::query::{
    all_pages, closing, currencies, ids, total, valued,
};
use time::Date;
use time::macros::date;

/// OLL-1: opportunities sort by name without regard to case.
pub async fn oll_1_opportunities_sort_by_name(store: &StoreUnderTest) {
    let named =
        |id, name: Option<&str>| Opportunity { name: name.map(str::to_owned), ..opportunity(id) };
    let rows = vec![
        named("o1", None),
        named("o2", Some("b")),
        named("o3", Some("A")),
        named("o4", Some("a")),
    ];
    let site = store.holding([Opportunity::batch(rows)]).await;
    assert_eq!(site.sorted(OpportunitySort::Name).await, ["o3", "o4", "o2", "o1"]);
}

/// OLL-1: by close date, the soonest first, those without one last.
pub async fn oll_1_opportunities_sort_by_close_date(store: &StoreUnderTest) {
    let rows = vec![
        opportunity("o1"),
        closing("o2", date!(2026 - 12 - 31)),
        closing("o3", date!(2026 - 02 - 01)),
        closing("o5", date!(999 - 02 - 01)),
        closing("o4", date!(2026 - 02 - 01)),
    ];
    let site = store.holding([Opportunity::batch(rows)]).await;
    let sorted = site.sorted(OpportunitySort::CloseDate).await;
    assert_eq!(sorted, ["o5", "o3", "o4", "o2", "o1"]);
}

/// OLL-1: by value, the largest first, exactly; those without one last.
pub async fn oll_1_opportunities_sort_by_value(store: &StoreUnderTest) {
    let rows = vec![
        opportunity("o0"),
        valued("o1", "922337203685477.5806", "EUR"),
        valued("o2", "922337203685477.5807", "USD"),
        valued("o3", "-5", "EUR"),
        valued("o4", "9", "EUR"),
        valued("o5", "10", "EUR"),
        valued("o6", "0.0001", "EUR"),
        valued("o7", "9.0000", "EUR"),
        valued("o8", "-40", "EUR"),
    ];
    let site = store.holding([Opportunity::batch(rows)]).await;
    let sorted = site.sorted(OpportunitySort::ValueDescending).await;
    assert_eq!(sorted, ["o2", "o1", "o5", "o4", "o7", "o6", "o3", "o8", "o0"]);
}

/// OLL-1: pages follow one another in every order, through ties and missing values.
pub async fn oll_1_pages_of_opportunities_follow_one_another(store: &StoreUnderTest) {
    let priced = |id, value: &str, on| Opportunity { close_date: on, ..valued(id, value, "EUR") };
    let (soon, late) = (Some(date!(2026 - 03 - 01)), Some(date!(2026 - 04 - 01)));
    let rows = vec![
        priced("o1", "5", late),
        priced("o2", "922337203685477.5807", None),
        priced("o3", "5.0", soon),
        opportunity("o4"),
        priced("o5", "922337203685477.5806", soon),
        opportunity("o6"),
    ];
    let site = store.holding([Opportunity::batch(rows)]).await;
    let orders = [
        (OpportunitySort::Name, ["o1", "o2", "o3", "o4", "o5", "o6"]),
        (OpportunitySort::CloseDate, ["o3", "o5", "o1", "o2", "o4", "o6"]),
        (OpportunitySort::ValueDescending, ["o2", "o5", "o1", "o3", "o4", "o6"]),
    ];
    for (sort, expected) in orders {
        for limit in [1, 2, 4] {
            let pages = all_pages(async |cursor| {
                let mut query = OpportunityQuery::new(site.scope());
                query.sort = sort;
                (query.page.limit, query.page.cursor) = (limit, cursor);
                site.stores.query.opportunities(&query).await
            });
            assert_eq!(pages.await.concat(), expected, "{sort:?} in pages of {limit}");
        }
    }
}

/// OLL-1: ties between connections go by connection, then id; each row says where it is from.
pub async fn oll_1_ties_go_by_connection_and_id(store: &StoreUnderTest) {
    let mut sites = Vec::new();
    for number in [2, 1] {
        let site = store.connect("acme", number).await;
        let claim = site.claim().await;
        let same = |id| Opportunity { name: Some("same".to_owned()), ..opportunity(id) };
        site.pull(&claim, 1, [Opportunity::batch(vec![same("o2"), same("o1")])]).await;
        sites.push(site.connection);
    }
    let scope = Scope::workspace(workspace("acme"));
    for sort in
        [OpportunitySort::Name, OpportunitySort::CloseDate, OpportunitySort::ValueDescending]
    {
        let mut query = OpportunityQuery::new(scope.clone());
        (query.sort, query.page.limit) = (sort, 3);
        let first = store.stores.query.opportunities(&query).await.unwrap();
        query.page.cursor.clone_from(&first.next);
        let second = store.stores.query.opportunities(&query).await.unwrap();
        let found: Vec<_> = first
            .rows
            .iter()
            .chain(&second.rows)
            .map(|found| (found.connection, found.row.id.to_string()))
            .collect();
        let expected = [(sites[1], "o1"), (sites[1], "o2"), (sites[0], "o1"), (sites[0], "o2")];
        assert_eq!(found, expected.map(|(site, id)| (site, id.to_owned())), "{sort:?}");
    }
}

/// OLL-1: the account is the one set beside the customer, else the customer.
pub async fn oll_1_opportunities_are_filtered_by_account(store: &StoreUnderTest) {
    let (contoso, other) = (account("a1", "").id, account("a2", "").id);
    let with = |id, account, customer| Opportunity { account, customer, ..opportunity(id) };
    let customer = |id: &crate::model::AccountId| Some(CustomerRef::Account(id.clone()));
    let rows = vec![
        with("o1", Some(contoso.clone()), None),
        with("o2", None, customer(&contoso)),
        with("o3", Some(other.clone()), customer(&contoso)),
        with("o4", Some(contoso.clone()), customer(&other)),
        with("o5", None, Some(CustomerRef::Contact(contact("a1", "").id))),
        opportunity("o6"),
    ];
    let site = store.holding([Opportunity::batch(rows)]).await;
    let filter = OpportunityFilter { account: Some(contoso), ..OpportunityFilter::default() };
    assert_eq!(site.filtered(filter).await, ["o1", "o2", "o4"]);
}

/// OLL-1: the owner is one of the users asked for; a team with the same id is another.
pub async fn oll_1_opportunities_are_filtered_by_owner(store: &StoreUnderTest) {
    let owned = |id, owner| Opportunity { owner, ..opportunity(id) };
    let team = crate::model::TeamId::new("u1").unwrap();
    let rows = vec![
        owned("o1", Some(OwnerRef::User(user("u1").id))),
        owned("o2", Some(OwnerRef::User(user("u2").id))),
        owned("o3", Some(OwnerRef::Team(team))),
        owned("o4", None),
    ];
    let site = store.holding([Opportunity::batch(rows)]).await;
    for (owners, expected) in [
        (&["u1"][..], &["o1"][..]),
        (&["u2", "u1", "u7"], &["o1", "o2"]),
        (&["u7"], &[]),
        (&[], &["o1", "o2", "o3", "o4"]),
    ] {
        let owners = owners.iter().map(|id| (site.connection, user(id).id)).collect();
        let filter = OpportunityFilter { owners, ..OpportunityFilter::default() };
        assert_eq!(site.filtered(filter).await, expected);
    }
}

/// OLL-1: each status is told from the others.
pub async fn oll_1_opportunities_are_filtered_by_status(store: &StoreUnderTest) {
    let statuses = [
        OpportunityStatus::Open,
        OpportunityStatus::Won,
        OpportunityStatus::Lost,
        OpportunityStatus::Unknown,
    ];
    let rows = statuses.iter().enumerate().map(|(number, status)| Opportunity {
        status: *status,
        ..opportunity(&format!("o{number}"))
    });
    let site = store.holding([Opportunity::batch(rows.collect())]).await;
    for (number, status) in statuses.into_iter().enumerate() {
        let filter = OpportunityFilter { status: Some(status), ..OpportunityFilter::default() };
        assert_eq!(site.filtered(filter).await, [format!("o{number}")]);
    }
}

/// OLL-1: the currency is compared by its code, which the mirror has to know.
pub async fn oll_1_opportunities_are_filtered_by_currency(store: &StoreUnderTest) {
    let mut unpriced = opportunity("o3");
    unpriced.currency = Some(currency("EUR", "EUR").id);
    let rows = vec![
        valued("o1", "1", "EUR"),
        valued("o2", "1", "USD"),
        unpriced,
        valued("o4", "1", "GBP"),
        opportunity("o5"),
    ];
    let site = store.holding([Opportunity::batch(rows), currencies()]).await;
    let of = |code| OpportunityFilter {
        currency: Some(currency(code, code).code),
        ..OpportunityFilter::default()
    };
    assert_eq!(site.filtered(of("EUR")).await, ["o1", "o3"]);
    assert_eq!(site.filtered(of("GBP")).await, [""; 0]);
}

/// OLL-1: both ends of a range of values count, to the last decimal place.
pub async fn oll_1_opportunities_are_filtered_by_value(store: &StoreUnderTest) {
    let values = ["-1", "0.0001", "9", "10", "922337203685477.5806", "922337203685477.5807"];
    let rows = values.iter().enumerate();
    let rows = rows.map(|(number, value)| valued(&format!("o{number}"), value, "EUR"));
    let rows: Vec<_> = rows.chain([opportunity("o9")]).collect();
    let site = store.holding([Opportunity::batch(rows)]).await;
    let between = |min: Option<&str>, max: Option<&str>| OpportunityFilter {
        min_value: min.map(amount),
        max_value: max.map(amount),
        ..OpportunityFilter::default()
    };
    assert_eq!(site.filtered(between(Some("9"), Some("10"))).await, ["o2", "o3"]);
    assert_eq!(site.filtered(between(Some("0.0002"), Some("9.9999"))).await, ["o2"]);
    assert_eq!(site.filtered(between(None, Some("0.0001"))).await, ["o0", "o1"]);
    assert_eq!(site.filtered(between(Some("922337203685477.5807"), None)).await, ["o5"]);
}

/// OLL-1: a range of close dates holds its first day, and not its last.
pub async fn oll_1_opportunities_are_filtered_by_close_date(store: &StoreUnderTest) {
    let rows = vec![
        closing("o1", date!(2026 - 03 - 31)),
        closing("o2", date!(2026 - 04 - 01)),
        closing("o3", date!(2026 - 06 - 30)),
        closing("o4", date!(2026 - 07 - 01)),
        opportunity("o5"),
    ];
    let site = store.holding([Opportunity::batch(rows)]).await;
    let (first, after) = (Some(date!(2026 - 04 - 01)), Some(date!(2026 - 07 - 01)));
    let quarter = OpportunityFilter {
        close_from: first,
        close_before: after,
        ..OpportunityFilter::default()
    };
    assert_eq!(site.filtered(quarter).await, ["o2", "o3"]);
    let from = OpportunityFilter { close_from: after, ..OpportunityFilter::default() };
    assert_eq!(site.filtered(from).await, ["o4"]);
    let before = OpportunityFilter { close_before: first, ..OpportunityFilter::default() };
    assert_eq!(site.filtered(before).await, ["o1"]);
}

/// OLL-1: names are filtered by words, like those of accounts.
pub async fn oll_1_opportunities_are_filtered_by_name(store: &StoreUnderTest) {
    let named = |id, name: &str| Opportunity { name: Some(name.to_owned()), ..opportunity(id) };
    let rows = vec![named("o1", "Big ÄNDERUNG"), named("o2", "Big deal"), named("o3", "änderung")];
    let site = store.holding([Opportunity::batch(rows)]).await;
    let words = |text: &str| OpportunityFilter {
        name: Some(text.to_owned()),
        ..OpportunityFilter::default()
    };
    assert_eq!(site.filtered(words("big")).await, ["o1", "o2"]);
    assert_eq!(site.filtered(words("änderung BIG")).await, ["o1"]);
}

/// DEA-3: the newest process that runs says where an opportunity stands, then the newest that has
/// finished; the record comes after.
pub async fn dea_3_opportunities_are_filtered_by_their_best_stage(store: &StoreUnderTest) {
    let mut on_record = opportunity("o1");
    on_record.record_stage.stage = Some(stage_id("s1"));
    let mut assigned = opportunity("o2");
    assigned.record_stage.stage = Some(stage_id("s1"));
    let mut by_label = opportunity("o3");
    by_label.record_stage.label = Some("s1".to_owned());
    let mut aborted = opportunity("o5");
    aborted.record_stage.stage = Some(stage_id("s1"));
    let mut finished = opportunity("o6");
    finished.record_stage.stage = Some(stage_id("s1"));
    let found = vec![
        on_record,
        assigned,
        by_label,
        opportunity("o4"),
        aborted,
        finished,
        opportunity("o7"),
    ];
    let at = |id, of, at, minutes| {
        let mut assignment = assignment(id, of, at);
        assignment.modified_at = Some(store.now() + time::Duration::minutes(minutes));
        assignment
    };
    let mut off = at("as5", "o5", "s2", 9);
    off.state = AssignmentState::Aborted;
    let mut ended = at("as6", "o6", "s2", 9);
    ended.state = AssignmentState::Finished;
    let mut over = at("as7", "o6", "s3", 7);
    over.state = AssignmentState::Finished;
    let mut begun = at("as8", "o7", "s3", 1);
    begun.state = AssignmentState::Active;
    let mut before = at("as9", "o7", "s2", 9);
    before.state = AssignmentState::Finished;
    let assignments = vec![
        at("as1", "o2", "s3", 2),
        at("as2", "o2", "s2", 3),
        at("as3", "o2", "s1", 1),
        at("as4", "o4", "s1", 1),
        off,
        ended,
        over,
        begun,
        before,
    ];
    let stages = ["s1", "s2", "s3"].map(|id| stage(id, "p")).to_vec();
    let site = store
        .holding([
            Opportunity::batch(found),
            StageAssignment::batch(assignments),
            Stage::batch(stages),
        ])
        .await;
    let at = |id| at_stages(&site, &[id]);
    assert_eq!(site.filtered(at("s1")).await, ["o1", "o4", "o5"]);
    assert_eq!(site.filtered(at("s2")).await, ["o2", "o6"], "before the record, the newest");
    assert_eq!(site.filtered(at("s3")).await, ["o7"], "what runs before what has finished");
    assert_eq!(site.totals(at("s1")).await.count, 3);
    assert_eq!(
        site.filtered(at_stages(&site, &["s2", "s1"])).await,
        ["o1", "o2", "o4", "o5", "o6"]
    );
}

fn at_stages(site: &Site, ids: &[&str]) -> OpportunityFilter {
    let stages = ids.iter().map(|id| (site.connection, stage_id(id))).collect();
    OpportunityFilter { stages, ..OpportunityFilter::default() }
}

/// OLL-1: an owner and a stage are those of their connection; the same id in another is another.
pub async fn oll_1_an_owner_or_stage_is_one_of_its_connection(store: &StoreUnderTest) {
    let mut sites = Vec::new();
    for number in [1, 2] {
        let site = store.connect("acme", number).await;
        let claim = site.claim().await;
        let owner = Some(OwnerRef::User(user("u1").id));
        let mut row = Opportunity { owner, ..opportunity(&format!("o{number}")) };
        row.record_stage.stage = Some(stage_id("s1"));
        site.pull(&claim, 1, [Opportunity::batch(vec![row])]).await;
        sites.push(site);
    }
    let ask = async |filter: OpportunityFilter| {
        let mut query = OpportunityQuery::new(Scope::workspace(workspace("acme")));
        query.filter = filter;
        ids(&store.stores.query.opportunities(&query).await.unwrap())
    };
    for (site, expected) in sites.iter().zip(["o1", "o2"]) {
        let owners = vec![(site.connection, user("u1").id)];
        assert_eq!(ask(OpportunityFilter { owners, ..Default::default() }).await, [expected]);
        assert_eq!(ask(at_stages(site, &["s1"])).await, [expected]);
    }
    let owners = sites.iter().map(|site| (site.connection, user("u1").id)).collect();
    assert_eq!(ask(OpportunityFilter { owners, ..Default::default() }).await, ["o1", "o2"]);
}

/// OLL-1: when an opportunity was won or lost is asked for apart from when it was expected to be.
pub async fn oll_1_opportunities_are_filtered_by_the_day_they_closed(store: &StoreUnderTest) {
    let on = |id, day: Option<Date>| Opportunity {
        status: OpportunityStatus::Won,
        closed_on: day,
        ..closing(id, date!(2027 - 01 - 01))
    };
    let rows = vec![
        on("o1", Some(date!(2026 - 03 - 31))),
        on("o2", Some(date!(2026 - 04 - 01))),
        on("o3", None),
    ];
    let site = store.holding([Opportunity::batch(rows)]).await;
    let from = OpportunityFilter { closed_from: Some(date!(2026 - 04 - 01)), ..Default::default() };
    assert_eq!(site.filtered(from).await, ["o2"]);
    let before =
        OpportunityFilter { closed_before: Some(date!(2026 - 04 - 01)), ..Default::default() };
    assert_eq!(site.filtered(before).await, ["o1"]);
}

/// OLL-1: every part of a filter must hold.
pub async fn oll_1_the_parts_of_a_filter_are_combined(store: &StoreUnderTest) {
    let on = |id, value, month| Opportunity { close_date: Some(month), ..valued(id, value, "EUR") };
    let (march, april) = (date!(2026 - 03 - 15), date!(2026 - 04 - 15));
    let rows = vec![on("o1", "5", march), on("o2", "50", march), on("o3", "50", april)];
    let site = store.holding([Opportunity::batch(rows), currencies()]).await;
    let filter = OpportunityFilter {
        name: Some("opportunity".to_owned()),
        status: Some(OpportunityStatus::Open),
        currency: Some(currency("EUR", "EUR").code),
        min_value: Some(amount("10")),
        close_before: Some(date!(2026 - 04 - 01)),
        ..OpportunityFilter::default()
    };
    assert_eq!(site.filtered(filter.clone()).await, ["o2"]);
    assert_eq!(site.totals(filter).await.by_currency, [total("50", "EUR", 1)]);
}

/// OLL-1: more rows than any page of a scan are found, sorted and summed.
pub async fn oll_1_large_tables_are_answered_in_full(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let (mut rows, mut assignments) = (Vec::new(), Vec::new());
    for number in 0..5_203 {
        let mut found = valued(&format!("o{number:05}"), "0.0001", "EUR");
        found.name = Some(format!("Deal {:05}", 99_999 - number));
        found.record_stage.stage = Some(stage_id(if number % 6 == 3 { "s1" } else { "s2" }));
        if number % 6 == 0 {
            assignments.push(assignment(&format!("as{number}"), found.id.as_str(), "s1"));
        }
        rows.push(found);
    }
    let assignments = StageAssignment::batch(assignments);
    site.pull(&claim, 1, [Opportunity::batch(rows), assignments, currencies()]).await;
    let at = at_stages(&site, &["s1"]);
    let totals = site.totals(at.clone()).await;
    assert_eq!(totals.by_currency, [total("0.1735", "EUR", 1_735)]);
    let mut query = OpportunityQuery::new(site.scope());
    (query.filter, query.page.limit) = (at, MAX_LIMIT);
    let pages = all_pages(async |cursor| {
        let mut query = query.clone();
        query.page.cursor = cursor;
        site.stores.query.opportunities(&query).await
    });
    let found = pages.await;
    assert_eq!(
        found.iter().map(Vec::len).collect::<Vec<_>>(),
        [[200; 8].as_slice(), &[135]].concat()
    );
    assert_eq!((found[0][0].as_str(), found[8][134].as_str()), ("o05202", "o00000"));
}
