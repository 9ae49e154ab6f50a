//! Every store that the crate ships passes the suite that hosts run over theirs.

use std::sync::Arc;

use fluint_crm::storage::Stores;
use fluint_crm::store::MemoryStore;
use fluint_crm::store_conformance;
use fluint_crm::testkit::conformance::store::StoreUnderTest;

fn in_memory() -> StoreUnderTest {
    StoreUnderTest::open(|clock| Stores::all(Arc::new(MemoryStore::new(clock))))
}

store_conformance!(memory, in_memory());
