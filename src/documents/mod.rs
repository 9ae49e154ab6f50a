//! Documents on their way to a timeline.
