//! Values over time, in rings of two resolutions. A time is the number of a step, by a clock that nobody sets.

/// Steps and lengths of the rings of a series.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Steps that the fine ring holds.
    pub fine: usize,
    /// Steps that one of the coarse ring is.
    pub factor: u64,
    /// Steps that the coarse ring holds.
    pub coarse: usize,
}

/// The newest values, one a step. Steps without one are NaN.
struct Ring {
    cells: Vec<f64>,
    capacity: usize,
    /// Where the oldest is, once the ring is full.
    head: usize,
    /// The step behind the newest.
    end: u64,
}

impl Ring {
    fn new(capacity: usize) -> Self {
        // Memory that is reserved, and not written, is not taken from the machine yet.
        Self {
            cells: Vec::with_capacity(capacity),
            capacity,
            head: 0,
            end: 0,
        }
    }

    /// Sets the value of a step. The newest step may be set again; older ones stay as they are.
    /// Returns false for these.
    fn put(&mut self, step: u64, value: f64) -> bool {
        if !self.cells.is_empty() && step < self.end {
            let is_newest = step + 1 == self.end;
            let newest = self.place(0).filter(|_| is_newest);
            if let Some(cell) = newest.and_then(|place| self.cells.get_mut(place)) {
                *cell = value;
            }
            return is_newest;
        }
        let missed = step - self.end;
        if self.cells.is_empty() || missed >= self.capacity as u64 {
            self.cells.clear();
            self.head = 0;
        } else {
            for _ in 0..missed {
                self.push(f64::NAN);
            }
        }
        self.push(value);
        self.end = step.saturating_add(1);
        true
    }

    fn push(&mut self, value: f64) {
        if self.cells.len() < self.capacity {
            self.cells.push(value);
        } else if let Some(oldest) = self.cells.get_mut(self.head) {
            *oldest = value;
            self.head = (self.head + 1) % self.capacity;
        }
    }

    /// Where the value of so many steps before the newest is.
    fn place(&self, age: u64) -> Option<usize> {
        let length = self.cells.len();
        let age = usize::try_from(age).ok().filter(|age| *age < length)?;
        Some((self.head + length - 1 - age) % length)
    }

    fn at(&self, step: u64) -> f64 {
        let age = self.end.checked_sub(1).and_then(|newest| newest.checked_sub(step));
        age.and_then(|age| self.place(age))
            .and_then(|place| self.cells.get(place))
            .copied()
            .unwrap_or(f64::NAN)
    }
}

/// One value over time.
struct Series {
    /// True if a coarse step has the mean of its values, else the last one.
    is_mean: bool,
    fine: Ring,
    coarse: Ring,
    /// The coarse step that is under way.
    step: u64,
    sum: f64,
    count: f64,
    last: f64,
}

impl Series {
    fn put(&mut self, factor: u64, step: u64, value: f64) {
        if !self.fine.put(step, value) || value.is_nan() {
            return;
        }
        let coarse = step / factor;
        if coarse > self.step || self.count == 0.0 {
            (self.step, self.sum, self.count) = (coarse, 0.0, 0.0);
        }
        self.sum += value;
        self.count += 1.0;
        self.last = value;
        let told = if self.is_mean { self.sum / self.count } else { self.last };
        self.coarse.put(coarse, told);
    }
}

/// Series that share their steps.
pub struct SeriesTable {
    shape: Shape,
    series: Vec<Series>,
}

impl SeriesTable {
    /// A length of 0 counts as 1.
    pub fn new(shape: Shape) -> Self {
        let shape = Shape {
            fine: shape.fine.max(1),
            factor: shape.factor.max(1),
            coarse: shape.coarse.max(1),
        };
        Self {
            shape,
            series: Vec::new(),
        }
    }

    /// Adds a series, and gives its number.
    pub fn add(&mut self, is_mean: bool) -> usize {
        let Shape { fine, coarse, .. } = self.shape;
        let (fine, coarse) = (Ring::new(fine), Ring::new(coarse));
        self.series.push(Series {
            is_mean,
            fine,
            coarse,
            step: 0,
            sum: 0.0,
            count: 0.0,
            last: f64::NAN,
        });
        self.series.len() - 1
    }

    /// Sets the values of all series at a step.
    pub fn put_all(&mut self, step: u64, values: &[f64]) {
        for (series, value) in self.series.iter_mut().zip(values) {
            series.put(self.shape.factor, step, *value);
        }
    }

    /// Sets the value of one series at a step.
    pub fn put(&mut self, index: usize, step: u64, value: f64) {
        if let Some(series) = self.series.get_mut(index) {
            series.put(self.shape.factor, step, value);
        }
    }

    /// Reads a series from a step on, in fine or coarse steps; NaN where there is no value.
    pub fn read(&self, index: usize, is_coarse: bool, from: u64, out: &mut [f64]) {
        let ring = self
            .series
            .get(index)
            .map(|series| if is_coarse { &series.coarse } else { &series.fine });
        for (place, step) in out.iter_mut().zip(from..) {
            *place = ring.map_or(f64::NAN, |ring| ring.at(step));
        }
    }

    /// Bytes that one series takes at most.
    pub fn series_bytes(&self) -> usize {
        (self.shape.fine + self.shape.coarse) * size_of::<f64>() + size_of::<Series>()
    }
}
