//! Questions over the synced data, as tools for an assistant.
