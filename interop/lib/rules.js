// What brokers are configured with where clients prove who they are.
import { secret } from './tokens.js';

/** Who may do what. Everybody may use the topics of fence. */
export const rules = [
  { name: 'rule-fence', allow: ['subscribe', 'send'], destinations: ['/topic/fence.*'] },
  { name: 'rule-inbox', allow: ['subscribe'], destinations: ['/topic/inbox.{user}.**', '/user/queue/**'] },
  { name: 'rule-readers', roles: ['reader'], allow: ['subscribe'], destinations: ['/topic/news.**', '/topic/news'] },
  { name: 'rule-secret', deny: ['subscribe', 'send'], destinations: ['/topic/news.secret.**'] },
  { name: 'rule-writers', roles: ['writer'], allow: ['send'], destinations: ['/topic/**', '/user/**'] },
];

/** A configuration: other keys of auth.jwt, and of auth, and other rules. */
export function configuration(jwt = {}, auth = {}, acl = rules) {
  return {
    auth: { jwt: { algorithms: ['HS256'], secret, ...jwt }, ...auth },
    acl,
    limits: { failed_connects: '0/m' }, // they come from one address, and are meant to fail
    log: { level: 'debug', audit: 'stderr' },
  };
}
