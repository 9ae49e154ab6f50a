// A certified OpenID provider behind Entra's paths, for tests/it/openid.rs: PKCE is required, codes
// and refresh tokens count once, and a refresh token used twice ends the whole grant.
//
// Prints its port as the first line. The person signs in by following redirects: there is no page.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const { CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, SCOPE, TENANT } = process.env;

const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const { port } = server.address();

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    redirect_uris: [REDIRECT_URI],
    response_types: ['code'],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_post',
  }],
  routes: { authorization: '/oauth2/v2.0/authorize', token: '/oauth2/v2.0/token' },
  scopes: ['openid', 'profile', 'offline_access', SCOPE],
  claims: { openid: ['sub', 'tid', 'oid'], profile: ['name', 'preferred_username'] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  rotateRefreshToken: () => true,
  ttl: { AccessToken: 3600, AuthorizationCode: 60, IdToken: 3600, RefreshToken: 86400 },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  cookies: { keys: ['only for tests'] },
  async findAccount(_ctx, id) {
    return {
      accountId: id,
      claims: () => ({
        sub: id, tid: TENANT, oid: id, name: 'Ada Lovelace', preferred_username: 'ada@contoso.com',
      }),
    };
  },
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope(ctx.oidc.params.scope);
    await grant.save();
    return grant;
  },
});

const answer = provider.callback();
server.on('request', async (request, response) => {
  if (request.url.startsWith('/interaction/')) {
    const login = { accountId: 'bbbbbbbb-1111-4222-8333-444444444444' };
    await provider.interactionFinished(request, response, { login, consent: {} });
    return;
  }
  // Entra's paths begin with the tenant.
  request.url = request.url.replace(/^\/[^/]+(\/oauth2\/v2\.0\/)/, '$1');
  // OpenID Connect lets a provider ignore `offline_access` unless it may ask for consent; Entra does
  // not.
  request.url = request.url.replace(/(\/authorize\?)/, '$1prompt=consent&');
  answer(request, response);
});

console.log(port);
// Lives as long as the test holds its standard input.
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
