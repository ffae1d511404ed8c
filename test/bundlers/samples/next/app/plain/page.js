'use client';
/** Imports deit-tfjs itself, which is the Node entry where the page is prerendered: that must be harmless. */
import { load } from 'deit-tfjs';

export default function Page() {
  return (
    <button type="button" onClick={() => load('/model').then(console.log)}>
      load
    </button>
  );
}
