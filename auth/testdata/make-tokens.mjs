// Makes tokens.json: for each algorithm a key and a token that jose, an implementation in JavaScript, signed with it.
// The private keys are thrown away. To make it anew, in an empty folder:
//
//   npm init -y && npm install jose@6.2.17 && cp PATH/make-tokens.mjs . && node make-tokens.mjs > PATH/tokens.json
import { SignJWT, exportJWK, exportSPKI, generateKeyPair } from 'jose'
import { randomBytes } from 'node:crypto'

const claims = { roles: ['staff', 'élève'], realm_access: { roles: ['admin'] }, scope: 'read write', tenant: 9007199254740993n.toString() }

async function keyFor(alg) {
  if (alg.startsWith('HS')) {
    const secret = randomBytes(Number(alg.slice(2)) / 8)
    return { sign: secret, jwk: { kty: 'oct', k: secret.toString('base64url') } }
  }
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  return { sign: privateKey, jwk: await exportJWK(publicKey), pem: await exportSPKI(publicKey) }
}

const made = []
for (const alg of ['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']) {
  const { sign, jwk, pem } = await keyFor(alg)
  const kid = `jose-${alg}`
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg, kid, typ: 'JWT' })
    .setSubject('zoë')
    .setIssuer('https://issuer.example/')
    .setAudience(['hoofbeat', 'other'])
    .setJti(`id-${alg}`)
    .setIssuedAt(1700000000)
    .setNotBefore(1700000000)
    .setExpirationTime(4102444800) // 2100
    .sign(sign)
  made.push({ alg, token, jwk: { ...jwk, kid, alg, use: 'sig' }, pem })
}
process.stdout.write(JSON.stringify(made, null, 1) + '\n')
