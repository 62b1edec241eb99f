// An OpenID provider on loopback for one test: the npm package `oidc-provider` with one client, refresh
// tokens that rotate, and its own pages for signing in and consenting.
//
// node provider.mjs REDIRECT_URI ACCESS_TOKEN_SECONDS
// Prints its address as JSON, then one line of JSON for every grant and every token that ends.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const [redirect, seconds] = process.argv.slice(2);
const say = (event, more = {}) => process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(url, {
    clients: [{
      client_id: 'gna',
      client_secret: 'client-hunter2',
      grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: [redirect],
      token_endpoint_auth_method: 'client_secret_post',
    }],
    features: { devInteractions: { enabled: true }, revocation: { enabled: true } },
    pkce: { methods: ['S256'], required: () => true },
    issueRefreshToken: async () => true,
    rotateRefreshToken: true,
    ttl: { AccessToken: Number(seconds), Grant: 600, Interaction: 600, RefreshToken: 600, Session: 600 },
    findAccount: async (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  });
  provider.on('grant.success', (ctx) => say('granted', { kind: ctx.oidc.params.grant_type }));
  provider.on('grant.error', (ctx, error) => say('refused', { error: error.error }));
  provider.on('refresh_token.destroyed', () => say('revoked'));
  server.on('request', provider.callback());
  say('listening', { url });
});
