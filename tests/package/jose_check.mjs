// Checks the token on standard input as a Node service would, and prints its subject.
// usage: node jose_check.mjs JWKS_URL ISSUER AUDIENCE
import { readFileSync } from 'node:fs';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const [jwks, issuer, audience] = process.argv.slice(2);
const { payload } = await jwtVerify(readFileSync(0, 'utf8').trim(), createRemoteJWKSet(new URL(jwks)), {
  issuer, audience, typ: 'at+jwt', algorithms: ['ES256'],
});
console.log(payload.sub);
