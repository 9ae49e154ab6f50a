//! Computed rows can be found by their ids, and look like real ones.

use super::*;
use crate::testkit::OrgBuilder;
use crate::testkit::dataverse::table::Table;

fn rows(org: &crate::testkit::Org, table: &str) -> Synthetic {
    org.table_named(table).and_then(Table::synthetic).unwrap().clone()
}

#[test]
fn ids_are_random_ones_in_the_order_of_the_index() {
    for count in [1, 2, 3, 64, 1_000, 70_000] {
        let org = OrgBuilder::synthetic(7, 10).computed_rows("contact", count).build();
        let contacts = rows(&org, "contact");
        let ids: Vec<Uuid> = (0..count).map(|index| contacts.id(index)).collect();
        assert!(ids.iter().all(|id| id.get_version_num() == 4), "{count}");
        assert!(ids.is_sorted_by_key(|id| SqlId::from(*id)), "{count}");
        for (id, index) in ids.iter().zip(0..) {
            assert_eq!(contacts.position(SqlId::from(*id)), Some(index), "{count}");
        }
        let high = ids.iter().filter(|id| id.as_bytes()[10] >= 0x40).count();
        assert!(count < 64 || high > 0, "the last group uses its whole width");
    }
}

#[test]
fn other_tables_keep_their_rows_when_one_gets_more() {
    let before = OrgBuilder::synthetic(7, 40).build();
    let after = OrgBuilder::synthetic(7, 40).computed_rows("contact", 99).build();
    assert_eq!(rows(&before, "contact").len(), 20);
    assert_eq!(rows(&after, "contact").len(), 99);
    for table in ["account", "opportunity", "opportunitysalesprocess"] {
        let (before, after) = (rows(&before, table), rows(&after, table));
        assert_eq!(before.len(), after.len());
        assert_eq!(before.id(3), after.id(3));
    }
    // A table without computed rows, and one that is not there, stay as they are.
    assert!(
        OrgBuilder::synthetic(7, 40)
            .computed_rows("team", 9)
            .build()
            .table_named("team")
            .is_some_and(|table| table.synthetic().is_none())
    );
}

#[test]
fn a_lookup_points_to_a_row_that_is_there() {
    let org = OrgBuilder::synthetic(7, 200).build();
    let opportunities = rows(&org, "opportunity");
    for (column, table) in [("customerid", "account"), ("parentcontactid", "contact")] {
        let targets = rows(&org, table);
        for index in 0..opportunities.len() {
            let id = opportunities.cell(index, column).id().unwrap();
            assert!(targets.position(SqlId::from(id)).is_some(), "{column} of {index}");
        }
    }
    let instances = rows(&org, "opportunitysalesprocess");
    let first = instances.cell(0, "opportunityid").id();
    assert_eq!(first, Some(opportunities.id(0)));
}
