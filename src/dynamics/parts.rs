//! What a connector is made of: the seam between signing in and reading.

use std::sync::Arc;

use crate::connector::ConnectorContext;
use crate::dynamics::bearer::BearerTokens;
use crate::dynamics::endpoints::Endpoints;
use crate::http::transport::Transport;
use crate::model::Connection;

/// Everything that the connector of one stored connection works with.
#[derive(Clone, Debug)]
pub(crate) struct ConnectorParts {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) endpoints: Endpoints,
    pub(crate) tokens: Arc<dyn BearerTokens>,
    pub(crate) connection: Connection,
    pub(crate) context: ConnectorContext,
}
