// Which view the address names: the list, or one circuit. Behind "#", so it works under any path.

const CIRCUIT = "#/c/";

export function addressOf(key) {
  return CIRCUIT + encodeURIComponent(key);
}

/** The key of the circuit that is to be shown, or null. */
export function currentKey() {
  const { hash } = location;
  if (!hash.startsWith(CIRCUIT) || hash.length === CIRCUIT.length) return null;
  try {
    return decodeURIComponent(hash.slice(CIRCUIT.length));
  } catch {
    return null; // a broken encoding
  }
}
