// Who is online, and who may not be any more.
import { post } from '../api.js';
import { confirm } from '../dialog.js';
import { number, visible } from '../format.js';
import { Component, html } from '../html.js';
import { to } from '../route.js';
import { Heading, mayWrite, Pager, Panel, Resource, Table } from '../ui.js';
import { Brief, Name, Time } from '../text.js';

const kinds = { user: 'user', jti: 'token' };

function revokeUser(user) {
  confirm({
    title: 'Revoke this user?',
    text: html`<p><strong><${Name} of=${user} /></strong></p><p>All sessions of this user end, and none of the user's credentials is accepted until the revocation is removed.</p>`,
    verb: 'Revoke', danger: true, act: () => add('user', user),
  });
}

function revokeToken() {
  confirm({
    title: 'Revoke a token',
    text: html`<p>Sessions with this token end, and it is not accepted any more.</p>`,
    verb: 'Revoke', danger: true,
    fields: [{ name: 'value', label: 'The token’s id', hint: 'its claim jti, not the token itself', required: true }],
    act: ({ value }) => add('jti', value),
  });
}

function revokeName() {
  confirm({
    title: 'Revoke a user',
    text: html`<p>All sessions of this user end, and none of the user's credentials is accepted until the revocation is removed.</p>`,
    verb: 'Revoke', danger: true, fields: [{ name: 'value', label: 'User', required: true }],
    act: ({ value }) => add('user', value),
  });
}

async function add(kind, value) {
  const { changed } = await post('revocations/add', { kind, value });
  return changed ? `The ${kinds[kind]} ${visible(value)} is revoked.` : `The ${kinds[kind]} ${visible(value)} was revoked already.`;
}

function remove({ kind, value }) {
  confirm({
    title: 'Remove this revocation?',
    text: html`<p>The ${kinds[kind] ?? kind} <strong><${Name} of=${value} /></strong> is accepted again.</p>`,
    verb: 'Remove', danger: true,
    act: async () => {
      await post('revocations/remove', { kind, value });
      return `The ${kinds[kind] ?? kind} ${visible(value)} is accepted again.`;
    },
  });
}

const columns = [
  { label: 'User', cell: (u) => html`<${Brief} of=${u.user} />` },
  { label: 'Connections', num: true, cell: (u) => html`<a href=${to('/connections', { user: u.user })} aria-label=${`${number(u.connections)} connections of ${visible(u.user)}`}>${number(u.connections)}</a>` },
  { label: 'Known by', cell: (u) => (u.methods ?? []).join(', ') },
  { label: 'First token ends', cell: (u) => (u.expires ? html`<${Time} at=${u.expires} since />` : '–') },
];

export class Users extends Component {
  render({ params }) {
    const write = mayWrite();
    const all = write ? [...columns, { label: '', cell: (u) => html`<button type="button" class="small danger" aria-label=${`Revoke ${visible(u.user)}`} onClick=${() => revokeUser(u.user)}>Revoke …</button>` }] : columns;
    return html`<${Heading}>Users<//>
      <${Panel} id="online" title="Online"><${Resource} path=${to('users', { after: params.after, limit: 100 }).slice(1)} show=${(data) => html`
        <${Table} label="Users online" columns=${all} rows=${data.users} id=${(u) => u.user} empty="Nobody is connected." />
        <${Pager} params=${params} shown=${data.users.length} next=${data.next} total=${data.total} what="user" />`} /><//>
      <${Revocations} />`;
  }
}

class Revocations extends Component {
  state = { trail: [undefined] };

  render(_, { trail }) {
    const write = mayWrite();
    const columns = [
      { label: 'What', cell: (r) => kinds[r.kind] ?? r.kind },
      { label: 'Value', cell: (r) => html`<${Brief} of=${r.value} />` },
      ...(write ? [{ label: '', cell: (r) => html`<button type="button" class="small" aria-label=${`Remove the revocation of ${visible(r.value)}`} onClick=${() => remove(r)}>Remove …</button>` }] : []),
    ];
    const actions = write && html`<button type="button" class="small" onClick=${revokeName}>Revoke a user …</button><button type="button" class="small" onClick=${revokeToken}>Revoke a token …</button>`;
    return html`<${Panel} id="revocations" title="Revoked" actions=${actions}>
      <${Resource} path=${to('revocations', { after: trail.at(-1), limit: 100 }).slice(1)} every=${5000} show=${(data) => html`
        <${Table} label="Revocations" columns=${columns} rows=${data.revocations} id=${(r) => `${r.kind} ${r.value}`} empty="Nobody and nothing is revoked." />
        ${(data.next || trail.length > 1) && html`<nav class="pager" aria-label="Pages of revocations"><span class="soft">${number(data.total)} revocations</span>
          <button type="button" class="small" disabled=${trail.length === 1} onClick=${() => this.setState({ trail: trail.slice(0, -1) })}>Previous</button>
          <button type="button" class="small" disabled=${!data.next} onClick=${() => this.setState({ trail: [...trail, data.next] })}>Next</button></nav>`}`} /><//>`;
  }
}
