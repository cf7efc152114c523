// Configurations of brokers with authentication.
import { secret } from './tokens.js';

/** Access rules. Everybody may use the topics of fence. */
export const rules = [
  { name: 'rule-fence', allow: ['subscribe', 'send'], destinations: ['/topic/fence.*'] },
  { name: 'rule-inbox', allow: ['subscribe'], destinations: ['/topic/inbox.{user}.**', '/user/queue/**'] },
  { name: 'rule-readers', roles: ['reader'], allow: ['subscribe'], destinations: ['/topic/news.**', '/topic/news'] },
  { name: 'rule-secret', deny: ['subscribe', 'send'], destinations: ['/topic/news.secret.**'] },
  { name: 'rule-writers', roles: ['writer'], allow: ['send'], destinations: ['/topic/**', '/user/**'] },
];

/** A configuration, with further keys of auth.jwt and auth, and other rules. */
export function configuration(jwt = {}, auth = {}, acl = rules) {
  return {
    auth: { jwt: { algorithms: ['HS256'], secret, ...jwt }, ...auth },
    acl,
    limits: { failed_connects: '0/m' }, // all clients have one address, and many fail on purpose
    log: { level: 'debug', audit: 'stderr' },
  };
}
