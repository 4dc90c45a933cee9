//! Motors at rows of a few seconds: their start lies in several rows, and so may the edge at their
//! end. What is paired is one load of its running power, not a spike.

use nilm::pulse::{Pairing, Pulse};
use nilm::segment::{Segmenter, Step};

const ROW_S: f64 = 3.0;

/// The pulses in rows of three seconds.
fn pulses(rows: impl IntoIterator<Item = f64>) -> Vec<Pulse> {
    let (mut segmenter, mut pairing) = (Segmenter::default(), Pairing::default());
    let mut steps: Vec<Step> = Vec::new();
    let mut at = 0.0;
    for power in rows {
        segmenter.push(at, at + ROW_S, power, &mut steps);
        at += ROW_S;
    }
    segmenter.finish(&mut steps);
    for step in &steps {
        pairing.step(step, 5.0, true);
    }
    pairing.best(0.0)
}

/// An idle home of 5 W in which something runs.
fn at_home(running: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let idle = std::iter::repeat_n(5.0, 40);
    idle.clone().chain(running).chain(idle).collect()
}

/// A compressor of 90 W that begins and ends with these rows.
fn compressor(start: &[f64], end: &[f64]) -> Vec<f64> {
    let steady = std::iter::repeat_n(95.0, 400);
    at_home(
        start
            .iter()
            .copied()
            .chain(steady)
            .chain(end.iter().copied()),
    )
}

fn is_compressor(pulses: &[Pulse]) {
    assert_eq!(pulses.len(), 1, "{pulses:?}");
    for pulse in pulses {
        assert!((pulse.power - 90.0).abs() < 8.0, "{pulse:?}");
        assert!((pulse.seconds() - 1206.0).abs() < 12.0, "{pulse:?}");
        assert!(pulse.closed, "{pulse:?}");
    }
}

#[test]
fn a_start_in_two_rows_is_no_load_of_its_own() {
    is_compressor(&pulses(compressor(&[1300.0, 500.0], &[])));
    is_compressor(&pulses(compressor(&[365.0, 1090.0, 425.0], &[])));
}

#[test]
fn a_start_that_the_meter_repeats_is_no_load_of_its_own() {
    let found = pulses(compressor(&[340.0, 1018.0, 1018.0, 400.0], &[]));
    is_compressor(&found);
    assert!(
        found.iter().all(|pulse| pulse.overshoot > 250.0),
        "{found:?}"
    );
}

#[test]
fn an_edge_that_the_meter_follows_late_is_one_end() {
    is_compressor(&pulses(compressor(&[], &[60.0, 45.0])));
}

#[test]
fn a_burst_beside_a_compressor_stays_a_burst() {
    let mut rows = compressor(&[1300.0, 500.0], &[]);
    for row in rows.iter_mut().skip(200).take(2) {
        *row += 680.0;
    }
    let found = pulses(rows);
    let burst: Vec<&Pulse> = found.iter().filter(|pulse| pulse.power > 300.0).collect();
    let [burst] = burst.as_slice() else {
        panic!("one burst: {found:?}");
    };
    assert!((burst.power - 680.0).abs() < 20.0, "{burst:?}");
    assert!((burst.seconds() - 6.0).abs() < 0.1, "{burst:?}");
    assert!(found.iter().any(|pulse| (pulse.power - 90.0).abs() < 8.0));
}
