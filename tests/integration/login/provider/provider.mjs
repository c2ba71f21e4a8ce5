// A certified OpenID provider on loopback, for the login tests: code with PKCE, device flow, acr, max_age and DPoP.
// Usage: node provider.mjs FOLDER-OF-NODE-MODULES PORT PEOPLE, where PEOPLE is JSON, each name with their groups.
//
// People here need no password: POST /interaction/ID?name=ada logs ada in. They give a second factor when they are
// asked for acr 'mfa', and were last seen an hour ago unless max_age asks them to log in anew.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';

const [folder, port, people] = process.argv.slice(2);
const { Provider, interactionPolicy } = createRequire(`${folder}/`)('oidc-provider');
const groupsOf = JSON.parse(people);
const SCOPES = 'openid profile groups';
const AN_HOUR = 3600;

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const prompts = interactionPolicy.base();
prompts.get('consent').checks.clear();

const client = {
  client_id: 'gateway-cli',
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  redirect_uris: ['http://127.0.0.1/callback'],
  id_token_signed_response_alg: 'ES256',
  require_auth_time: true,
};

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [client],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' }] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  acrValues: ['pwd', 'mfa'],
  claims: { openid: ['sub', 'amr'], profile: ['preferred_username'], groups: ['groups'] },
  conformIdTokenClaims: false, // groups belong into the ID token, as Keycloak, Okta and Entra ID put them there
  features: {
    devInteractions: { enabled: false },
    deviceFlow: { enabled: true },
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
  },
  issueRefreshToken: async () => true,
  interactions: { policy: prompts, url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, name) => ({
    accountId: name,
    claims: () => ({ sub: name, preferred_username: name, groups: groupsOf[name] }),
  }),
  loadExistingGrant: async ({ oidc }) => {
    const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
    grant.addOIDCScope(SCOPES);
    await grant.save();
    return grant;
  },
});

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) return next();
  const { params } = await provider.interactionDetails(ctx.req, ctx.res);
  const strong = (params.acr_values ?? '').split(' ').includes('mfa');
  const login = {
    accountId: ctx.query.name,
    acr: strong ? 'mfa' : 'pwd',
    amr: strong ? ['pwd', 'otp'] : ['pwd'],
    ts: Math.floor(Date.now() / 1000) - (params.max_age === undefined ? AN_HOUR : 0),
  };
  if (ctx.method === 'POST') await provider.interactionFinished(ctx.req, ctx.res, { login });
  else ctx.body = 'Who are you?';
});

provider.listen(Number(port), '127.0.0.1');
