/** A failure that a worker reports, as the page shows it. */
export class WorkerError extends Error {
  constructor({ kind, message }) {
    super(message);
    this.kind = kind;
  }
}

/** Workers that decode and render; all of them hold the same sources. */
export class Pool {
  /**
   * @param {string} source script of a worker
   * @param {number} n workers
   * @param {(message: object) => void} onPreview
   */
  constructor(source, n, onPreview) {
    this.url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.onPreview = onPreview;
    this.jobs = new Map();
    this.queue = [];
    this.nextJob = 1;
    this.workers = Array.from({ length: n }, () => this.start());
  }

  start() {
    const worker = new Worker(this.url);
    worker.pending = 0;
    worker.onmessage = ({ data }) => this.receive(worker, data);
    worker.onerror = (event) => event.preventDefault();
    return worker;
  }

  receive(worker, { job, answer, failure, ...other }) {
    if (job === undefined) return this.onPreview(other);
    const { resolve, reject } = this.jobs.get(job);
    this.jobs.delete(job);
    worker.pending -= 1;
    if (failure) reject(new WorkerError(failure));
    else resolve(answer);
    this.dispatch();
  }

  /** Sends a request to one worker at once. */
  send(worker, request, transfer = []) {
    const job = this.nextJob++;
    worker.pending += 1;
    return new Promise((resolve, reject) => {
      this.jobs.set(job, { resolve, reject });
      worker.postMessage({ job, ...request }, transfer);
    });
  }

  /** Sends a request to all workers. */
  broadcast(request, except = null) {
    const others = this.workers.filter((worker) => worker !== except);
    return Promise.all(others.map((worker) => this.send(worker, request)));
  }

  /** Queues requests of tiles for the workers that are idle first; `replace` drops those that still wait. */
  replace(requests) {
    this.queue = requests;
    this.dispatch();
  }

  dispatch() {
    for (const worker of this.workers) {
      if (!this.queue.length) return;
      if (worker.pending) continue;
      const { request, done } = this.queue.shift();
      // A failure leaves the tile as it is: what is there already stays visible.
      this.send(worker, request).then(done, () => done(null));
    }
  }

  /** @returns {Worker} the one with the least to do */
  idlest() {
    return this.workers.reduce((best, worker) => (worker.pending < best.pending ? worker : best));
  }
}
