// Rejected calls per second of one circuit: of this process by the growth of its count, of the
// others by what they say every few seconds. And what it was, for the chart.

/** Seconds over which this process's rate is taken: as often as the others report theirs. */
const SPAN = 5;

export const CHART_SECONDS = 600;

export class Rejections {
  #last = null;
  #steps = []; // [epoch seconds, calls]
  #seen = 0; // the rate at the last look: what others say changes between two
  own = 0;
  elsewhere = 0;
  series = []; // [epoch seconds, rate], a value holds until the next

  get rate() {
    return this.own + this.elsewhere;
  }

  /** Record the count of a row. After a gap, or a restart, nobody knows when the calls came. */
  count(total, at, isContinuous) {
    if (isContinuous && this.#last !== null && total > this.#last) this.#steps.push([at, total - this.#last]);
    this.#last = total;
  }

  /** Look at the rate; return whether it differs. `watched` are the seconds since counting began. */
  look(at, watched) {
    while (this.#steps.length && this.#steps[0][0] <= at - SPAN) this.#steps.shift();
    const calls = this.#steps.reduce((sum, [, number]) => sum + number, 0);
    this.own = calls / Math.min(SPAN, Math.max(1, watched));
    const differs = this.rate !== this.#seen;
    if (this.rate > 0 || differs) {
      if (!this.series.length) this.series.push([at - 1, 0]);
      this.series.push([at, this.rate]);
    }
    while (this.series.length && this.series[0][0] < at - CHART_SECONDS) this.series.shift();
    this.#seen = this.rate;
    return differs;
  }

  /** Return whether there is anything left to look at each second. */
  get isQuiet() {
    return this.rate === 0 && this.#seen === 0 && this.#steps.length === 0;
  }
}
