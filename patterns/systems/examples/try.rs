use std::collections::BTreeMap;
fn main() {
    let mut args = std::env::args().skip(1);
    let range = args.next().unwrap();
    let (a, b) = range.split_once("..").unwrap();
    let (a, b): (u64, u64) = (a.parse().unwrap(), b.parse().unwrap());
    let registry = squall_systems::registry();
    for path in args {
        let loaded = match squall::spec::load(path.as_ref(), &registry) {
            Ok(l) => l,
            Err(e) => { println!("{}", e.render(false)); continue; }
        };
        let mut verdicts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let mut cov: BTreeMap<String, u64> = BTreeMap::new();
        let mut wall = 0; let mut ops = [0u64; 3];
        let verbose = std::env::var("V").is_ok();
        let mut shown = 0;
        for seed in a..b {
            let r = squall::run::execute(&registry, &loaded.spec, seed, squall::run::ExecuteOptions { keep_history: std::env::var("A").is_ok() });
            wall += r.wall_us;
            let v = match &r.verdict {
                squall::run::Verdict::Violated(v) => format!("{} {}", v.invariant, v.class),
                squall::run::Verdict::Panicked { message, location, node, .. } => format!("PANIC {node} {location} {message}"),
                other => format!("{other:?}"),
            };
            let e = verdicts.entry(v).or_insert((0, seed)); e.0 += 1;
            for (k, f) in &r.coverage.faults { *cov.entry(format!("fault {k} struck")).or_default() += f.struck; *cov.entry(format!("fault {k} touched")).or_default() += f.touched; }
            for (k, n) in r.coverage.exercised.iter().chain(&r.coverage.sometimes) { *cov.entry(k.clone()).or_default() += n; }
            for i in 0..3 { ops[i] += r.coverage.ops[i]; }
            if verbose && (!r.passed() || std::env::var("A").is_ok()) && shown < 1 {
                shown += 1;
                println!("seed {seed}: {:?}", r.verdict);
                for rec in &r.history { println!("{:>4} {:>12?} {:?}", rec.seq, rec.at, rec.kind); }
            }
        }
        println!("== {} expect {:?}: {} us/run, ops {ops:?}", loaded.name, loaded.spec.expect, wall / (b - a).max(1));
        for (v, (n, first)) in verdicts { println!("   {n:>5} x {v} (first seed {first})"); }
        if std::env::var("C").is_ok() { for (k, n) in cov { println!("        {k}: {n}"); } }
    }
}
