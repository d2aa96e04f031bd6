//! Measures every figure the project promises and says whether it is reached:
//! `cargo bench -p pillarbox-benches --bench figures`, or with names of some of them after `--`.

mod append;
mod fetch;
mod idle;
mod large;
mod list;
mod parse;
mod pause;
mod recovery;

use std::error::Error;

use pillarbox_benches::alloc::{self, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One figure.
struct Figure {
    name: String,
    target: String,
    measured: String,
    reached: bool,
}

type Figures = Result<Vec<Figure>, Box<dyn Error>>;
type Measure = fn() -> Figures;

/// Every group of figures with its name.
const GROUPS: [(&str, Measure); 9] = [
    ("parse", parse::figures),
    ("metadata", fetch::metadata),
    ("bodies", fetch::bodies),
    ("append", append::figures),
    ("idle", idle::figures),
    ("recovery", recovery::figures),
    ("pause", pause::figures),
    ("large", large::figures),
    ("list", list::figures),
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|a| a == "--bench") {
        println!("Figures are measured by cargo bench, or with --bench");
        return Ok(());
    }
    let wanted: Vec<String> = arguments
        .into_iter()
        .filter(|a| !a.starts_with('-'))
        .collect();
    alloc::pause(true);
    let (mut all, mut missed) = (0, 0);
    for (name, figures) in GROUPS {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
            continue;
        }
        for figure in figures()? {
            all += 1;
            missed += usize::from(!figure.reached);
            let verdict = if figure.reached { "reached" } else { "MISSED" };
            println!(
                "{verdict:7} {:58} {:>34}  (target: {})",
                figure.name, figure.measured, figure.target
            );
        }
    }
    println!("{} of {all} figures reached", all - missed);
    Ok(())
}
