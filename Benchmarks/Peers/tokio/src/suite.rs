// The workloads of Benchmarks/WORKLOADS.md beyond the first set, and what they share. What tokio has no form of (links,
// supervisors, selective receive) is not here: main exits 3 for it.
use crate::{bencherl, own, savina_messages as messages, savina_work as work};
use std::sync::Mutex;
use std::time::Instant;

pub fn scaled(count: i64, scale: f64) -> i64 {
    ((count as f64 * scale + 0.5) as i64).max(1)
}

pub fn ensure(ok: bool, what: &str) {
    if !ok {
        eprintln!("tokio: check failed: {what}");
        std::process::exit(1);
    }
}

pub fn per_second(count: i64, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}

// The generator that all peers use: xorshift, 64 bits. The seed must not be 0.
pub struct Random(pub u64);
impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
    pub fn spin(&mut self, steps: u64) {
        for _ in 0..steps {
            self.next();
        }
        ensure(self.0 != 0, "spin");
    }
}

// Further values of the run and its histogram, printed after its own value.
static DETAILS: Mutex<Vec<String>> = Mutex::new(Vec::new());

pub fn also(w: &str, cores: usize, metric: &str, value: f64, unit: &str) {
    DETAILS.lock().unwrap().push(format!("tokio,{w}.{metric},{cores},{value:.4},{unit}"));
}

pub fn print_details() {
    for line in DETAILS.lock().unwrap().iter() {
        println!("{line}");
    }
}

// How often which time was seen: each power of two in 64 parts, as in apus-c.
pub struct Histogram {
    counts: Vec<i64>,
    pub total: i64,
    most: i64,
}
impl Histogram {
    pub fn new() -> Self {
        Histogram { counts: vec![0; 58 * 64], total: 0, most: 0 }
    }
    pub fn record(&mut self, ns: i64) {
        let bucket = if ns < 64 {
            ns
        } else {
            let shift = 63 - ns.leading_zeros() as i64 - 6;
            (shift + 1) * 64 + (ns >> shift) - 64
        };
        self.counts[bucket as usize] += 1;
        self.total += 1;
        self.most = self.most.max(ns);
    }
    fn upper(bucket: usize) -> i64 {
        if bucket < 64 {
            bucket as i64
        } else {
            ((bucket as i64 % 64 + 65) << (bucket / 64 - 1)) - 1
        }
    }
    pub fn us(&self, share: f64) -> f64 {
        let (rank, mut seen) = ((self.total as f64 * share).ceil() as i64, 0);
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return Self::upper(bucket).min(self.most) as f64 / 1000.0;
            }
        }
        self.most as f64 / 1000.0
    }
    pub fn details(&self, w: &str, cores: usize) {
        also(w, cores, "p50", self.us(0.5), "us");
        also(w, cores, "p99", self.us(0.99), "us");
        also(w, cores, "p999", self.us(0.999), "us");
        also(w, cores, "max", self.most as f64 / 1000.0, "us");
        let pairs: Vec<String> =
            self.counts.iter().enumerate().filter(|(_, c)| **c > 0).map(|(b, c)| format!("{}:{c}", Self::upper(b))).collect();
        DETAILS.lock().unwrap().push(format!("histogram,{}", pairs.join(" ")));
    }
}

pub async fn run(w: &str, cores: usize, s: f64) -> Option<(f64, &'static str)> {
    Some(match w {
        "count" => (messages::count(s).await, "msg/s"),
        "fork_join" => (messages::fork_join(s).await, "msg/s"),
        "fork_create" => (messages::fork_create(s).await, "spawn/s"),
        "thread_ring" => (messages::thread_ring(s).await, "ns/hop"),
        "chameneos" => (messages::chameneos(s).await, "meetings/s"),
        "dictionary" => (messages::dictionary(s).await, "requests/s"),
        "bounded_buffer" => (messages::bounded_buffer(s).await, "items/s"),
        "philosophers" => (messages::philosophers(s).await, "meals/s"),
        "barber" => (messages::barber(s).await, "haircuts/s"),
        "smokers" => (messages::smokers(s).await, "rounds/s"),
        "bank" => (messages::bank(s).await, "transactions/s"),
        "nqueens" => (work::nqueens(s).await, "s"),
        "quicksort" => (work::quicksort(s).await, "values/s"),
        "matmul" => (work::matmul(s).await, "multiply-adds/s"),
        "sieve" => (work::sieve(s).await, "numbers/s"),
        "ehb" => (bencherl::ehb(s).await, "msg/s"),
        "serialmsg" => (bencherl::serialmsg(s).await, "msg/s"),
        "timer_wheel" => (bencherl::timer_wheel(s).await, "msg/s"),
        "mbrot" => (bencherl::mbrot(s).await, "points/s"),
        "orbit" => (bencherl::orbit(s).await, "vertices/s"),
        "fanin" => (own::fanin(s).await, "msg/s"),
        "call_thread" => (own::call_thread(s).await, "ns/call"),
        "echo" => (own::echo(cores, s).await, "round trips/s"),
        "size_64" => (own::sizes(64, 1_000_000, s).await, "bytes/s"),
        "size_1k" => (own::sizes(1024, 500_000, s).await, "bytes/s"),
        "size_16k" => (own::sizes(16384, 100_000, s).await, "bytes/s"),
        "size_256k" => (own::sizes(262_144, 10_000, s).await, "bytes/s"),
        "size_1m" => (own::sizes(1_048_576, 2_500, s).await, "bytes/s"),
        "idle_cpu" => (own::idle_cpu(s).await, "us of CPU in a second"),
        "latency" => (own::latency(cores, s).await, "us"),
        "million" => (own::million(s).await, "msg/s"),
        _ => return None,
    })
}
