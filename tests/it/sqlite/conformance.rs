//! The suite that every store passes, in memory and on a file.

use std::sync::Arc;

use fluint_crm::storage::Stores;
use fluint_crm::store::SqliteStore;
use fluint_crm::store_conformance;
use fluint_crm::testkit::conformance::store::StoreUnderTest;

fn memory() -> StoreUnderTest {
    StoreUnderTest::open(|clock| Stores::all(Arc::new(SqliteStore::in_memory(clock).unwrap())))
}

fn file() -> StoreUnderTest {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crm.db");
    StoreUnderTest::open(|clock| Stores::all(Arc::new(SqliteStore::open(path, clock).unwrap())))
        .keeping(folder)
}

store_conformance!(in_memory, memory());
store_conformance!(on_file, file());
