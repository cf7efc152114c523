// What pages are written with: preact's components, htm's templates.
import { Component, h } from '../vendor/preact.mjs';
import htm from '../vendor/htm.mjs';

export { Component };
export const html = htm.bind(h);

/** A component that is drawn anew whenever one of its stores changes. */
export class Watching extends Component {
  #ends = [];

  /** In the constructor: draws anew when the store changes. */
  watch(...stores) {
    this.stores = stores;
  }

  componentDidMount() {
    this.#ends = this.stores.map((s) => s.watch(() => this.setState({})));
  }

  componentWillUnmount() {
    this.#ends.forEach((end) => end());
  }
}
