//! Which request a fault strikes.

/// Which request a fault strikes.
///
/// # Example
/// ```
/// use fluint_crm::testkit::Place;
///
/// let third_page = Place::page("opportunities", 3);
/// assert_ne!(third_page, Place::request("opportunities", 3));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    set: Option<String>,
    number: Option<u64>,
    by: By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Request,
    Page,
}

impl Place {
    /// The next request, whatever it asks for.
    #[must_use]
    pub fn next() -> Self {
        Self { set: None, number: None, by: By::Request }
    }

    /// The next request to an entity set or a function.
    #[must_use]
    pub fn next_to(set: impl Into<String>) -> Self {
        Self { set: Some(set.into()), number: None, by: By::Request }
    }

    /// The `number`-th request to an entity set or a function since the fake was made, from 1 on.
    #[must_use]
    pub fn request(set: impl Into<String>, number: u64) -> Self {
        Self { set: Some(set.into()), number: Some(number), by: By::Request }
    }

    /// The next read of page `number` of an entity set, from 1 on.
    #[must_use]
    pub fn page(set: impl Into<String>, number: u64) -> Self {
        Self { set: Some(set.into()), number: Some(number), by: By::Page }
    }

    /// Whether a request is at this place, the `number`-th of its set.
    pub(super) fn is_at(&self, passing: Passing<'_>, number: u64) -> bool {
        let number = match self.by {
            By::Request => Some(number),
            By::Page => passing.page,
        };
        (self.set.is_none() || self.set.as_deref() == passing.set)
            && (self.number.is_none() || self.number == number)
    }
}

/// A request as faults see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passing<'a> {
    pub(crate) set: Option<&'a str>,
    /// The page, when it is a read of one.
    pub(crate) page: Option<u64>,
}
