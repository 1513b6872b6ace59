// Times and numbers in words.

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;

const clockTime = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const fullTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

// Between a number and its unit no line may break: there stands "\u00a0".

/** A length of time in its two largest units: "1 h 5 min". */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < MINUTE) return `${whole}\u00a0s`;
  if (whole < 10 * MINUTE) return two(whole, MINUTE, "min", 1, "s");
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)}\u00a0min`;
  if (whole < DAY) return two(whole, HOUR, "h", MINUTE, "min");
  return two(whole, DAY, "d", HOUR, "h");
}

function two(whole, large, largeName, small, smallName) {
  const rest = Math.floor((whole % large) / small);
  return `${Math.floor(whole / large)}\u00a0${largeName}${rest ? `\u00a0${rest}\u00a0${smallName}` : ""}`;
}

export function ago(seconds) {
  if (seconds < 1.5) return "just now";
  return seconds >= MINUTE && seconds < HOUR ? `${Math.floor(seconds / MINUTE)} min ago` : `${duration(seconds)} ago`;
}

/** A countdown that a glance takes in: "0:07", "12:40", "2 h 5 min". */
export function countdown(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole >= HOUR) return duration(whole);
  return `${Math.floor(whole / MINUTE)}:${String(whole % MINUTE).padStart(2, "0")}`;
}

export function timeOfDay(epoch) {
  return clockTime.format(epoch * 1000);
}

export function timeInFull(epoch) {
  return fullTime.format(epoch * 1000);
}

export function isoTime(epoch) {
  return new Date(epoch * 1000).toISOString();
}

export function percent(share) {
  if (share === null || share === undefined) return "–";
  const value = share * 100;
  return `${value > 0 && value < 1 ? value.toFixed(1) : Math.round(value)}\u00a0%`;
}

export function perSecond(rate) {
  if (rate <= 0) return "0";
  return rate < 10 ? rate.toFixed(1) : String(Math.round(rate));
}

/** A text of others as a sentence beside ours. */
export function sentence(text) {
  const [first = "", ...rest] = text.trim();
  return first.toUpperCase() + rest.join("") + (/[.!?…]$/.test(text.trim()) || !first ? "" : ".");
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString()} ${number === 1 ? one : many}`;
}
