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
    this.nWorkers = n;
    this.inits = [];
    this.nextJob = 1;
    this.start();
  }

  start() {
    this.jobs = new Map();
    this.queue = [];
    this.workers = Array.from({ length: this.nWorkers }, () => {
      const worker = new Worker(this.url);
      worker.pending = 0;
      worker.onmessage = ({ data }) => this.receive(worker, data);
      worker.onerror = ({ message = "no reason given" }) => this.fail(`it cannot run the decoder (${message})`);
      return worker;
    });
  }

  /** Drops all work, which may take long, and begins with new workers that know the same inits. */
  async restart() {
    for (const worker of this.workers) worker.terminate();
    this.fail("another file was opened");
    this.start();
    await Promise.all(this.inits.map((request) => this.broadcast(request)));
  }

  fail(message) {
    const failed = [...this.jobs.values()];
    this.jobs.clear();
    for (const { reject } of failed) reject(new WorkerError({ kind: "browser", message }));
  }

  get isBusy() {
    return this.jobs.size > 0;
  }

  receive(worker, { job, answer, failure, ...other }) {
    if (job === undefined) return this.onPreview(other);
    if (!this.jobs.has(job)) return;
    const { resolve, reject } = this.jobs.get(job);
    this.jobs.delete(job);
    worker.pending -= 1;
    if (failure) reject(new WorkerError(failure));
    else resolve(answer);
    this.dispatch();
  }

  /** Gives the archive of a shared init to all workers, those of later restarts too. */
  async addInit(data) {
    const request = { type: "init", data };
    await this.broadcast(request);
    this.inits.push(request);
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
