// The forward and the reverse sweep over one stage of a program; plan.py writes the words.
//
// A block holds one tile of one state (and of its bra) in shared memory, does all steps of the
// stage on it, and goes on to its next tile.  What a block finds of an angle's cotangent it keeps
// in a place of its own, so that no result depends on the order in which blocks run.

typedef unsigned int u32;
typedef long long i64;

enum { PHASES = 0, ROTATION = 2, START = 3 };

// Rotations of a step at most, words of a step's record, and where in it they are.
enum { GROUP = 3, RECORD = 32, MOST_COSETS = 12 };
enum { KIND, COUNT, SLOTS, VECTORS = SLOTS + GROUP, COSETS = VECTORS + GROUP,
       PATTERNS = COSETS + MOST_COSETS, FUNCTIONALS = PATTERNS + GROUP };
// Of a layer's phases: how many patterns, where they are, how many of them are of many phases, how
// many phases, where they are, and whether any trains.
enum { NUM_PATTERNS = 1, PATTERNS_AT, NUM_HEAVY, NUM_PHASES, PHASES_AT, TRAINS };
// Where the passes of a transform, the start's functionals and the stages' heads begin; the words of
// a head, and where in it they are.
enum { PASSES = 0, MOST_PASSES = 5, ROWS = 160, HEADS = 192, HEAD = 64 };
enum { STEPS, RECORDS_AT, FIRST_RECORD, NUM_PASSES, COLUMNS, FREE = COLUMNS + 16 };

struct Job {
    const int* plan;
    const void* turns;   // (E, 2, 3 steps): cosines and sines of half the rotations' angles
    const void* shared;  // (E, K): phases that the batch shares, as ``Phase`` says
    const void* own;     // (E B, K'): the samples' own
    const void* start;   // (E B, 2, n): cosines and sines of half the start's angles
    const void* ket_in;  // (E B, 2, 2^n)
    const void* bra_in;  // (E T B, 2, 2^n)
    void* ket_out;       // of a reverse sweep, null at the last stage
    void* bra_out;
    void* slots;         // (E T B, C, S)
    i64 stage;
    i64 fills;           // whether the state is the start's, and nothing is read
    i64 n, t, batch, directions, turns_count, phases, own_phases, num_slots, chunks;
};

// The angle of a phase, and what a label's phases sum up to: half of it.  In single precision these
// are integers, 2^32 to the whole period of 4 pi: a sum of many angles in float would lose digits
// that cosine and sine need, and integers wrap around as angles do.
template <typename R> struct Phase;

template <> struct Phase<double> {
    typedef double Value;
    static __device__ __forceinline__ double half(double angle) { return 0.5 * angle; }
    static __device__ __forceinline__ void cos_sin(double x, double* c, double* s) {
        sincos(x, s, c);
    }
};

template <> struct Phase<float> {
    typedef u32 Value;
    static __device__ __forceinline__ u32 half(u32 angle) { return angle; }
    static __device__ __forceinline__ void cos_sin(u32 x, float* c, float* s) {
        sincospif((float)(int)x * (1 / 2147483648.0f), s, c);
    }
};

__device__ __forceinline__ u32 odd(u32 x) { return __popc(x) & 1; }

// The sum of the vectors that the bits select.
__device__ __forceinline__ u32 selected(const int* vectors, u32 bits) {
    u32 found = 0;
    for (int i = 0; bits >> i; ++i)
        if (bits >> i & 1) found ^= (u32)vectors[i];
    return found;
}

template <int N> __device__ __forceinline__ u32 selected_of(const int* vectors, u32 bits) {
    u32 found = 0;
#pragma unroll
    for (int i = 0; i < N; ++i) found ^= (u32)vectors[i] & (0u - (bits >> i & 1));
    return found;
}

// What a block works on; ``passes``, ``head`` and ``records`` are words of the plan.
template <typename R> struct Tile {
    R *kr, *ki, *br, *bi, *work, *sums, *values, *start;
    int *passes, *rows, *head, *records;
    int bits, threads, thread;
};

// Calls f(first address, shifts to the 2^k amplitudes) for each coset of a step's vectors.
template <int K, typename R, typename F>
__device__ __forceinline__ void each_coset(const Tile<R>& tile, const int* record, F f) {
    u32 shift[1 << K];
    shift[0] = 0;
#pragma unroll
    for (int g = 0; g < K; ++g) {
        u32 vector = record[VECTORS + g];
#pragma unroll
        for (int j = 0; j < 1 << g; ++j) shift[1 << g | j] = shift[j] ^ vector;
    }
    int count = 1 << (tile.bits - K);
    for (int i = tile.thread; i < count; i += tile.threads)
        f(selected_of<MOST_COSETS>(record + COSETS, i), shift);
}

template <typename V> __device__ __forceinline__ V of_warp(V value) {
#pragma unroll
    for (int step = 16; step > 0; step >>= 1) value += __shfl_xor_sync(0xffffffffu, value, step);
    return value;
}

// Rotations of one step on one array pair, in registers.
template <int K, typename R>
__device__ __forceinline__ void turn_pairs(R* re, R* im, const R* c, const R* s) {
#pragma unroll
    for (int g = 0; g < K; ++g) {
#pragma unroll
        for (int j = 0; j < 1 << K; ++j) {
            if (j >> g & 1) continue;
            int other = j | 1 << g;
            R x = re[j], y = re[other];
            re[j] = c[g] * x - s[g] * y;
            re[other] = s[g] * x + c[g] * y;
            x = im[j], y = im[other];
            im[j] = c[g] * x - s[g] * y;
            im[other] = s[g] * x + c[g] * y;
        }
    }
}

template <typename R> struct Angles {
    const R* turns;
    const typename Phase<R>::Value *shared, *own;
    i64 count;
};

// A step of up to three rotations: forward, or back with their cotangents.
template <int K, bool BACK, typename R>
__device__ __forceinline__ void rotate(
    const Tile<R>& tile, const int* record, const R* values, u32 base, R* sums
) {
    R c[K], s[K], found[K];
    u32 pattern[K];
#pragma unroll
    for (int g = 0; g < K; ++g) {
        pattern[g] = record[PATTERNS + g];
        R sign = odd(base & (u32)record[FUNCTIONALS + g]) != BACK ? R(-1) : R(1);
        c[g] = values[g];
        s[g] = sign * values[GROUP + g];
        found[g] = 0;
    }
    each_coset<K>(tile, record, [&](u32 first, const u32* shift) {
        R re[1 << K], im[1 << K], own[K], signs[K];
#pragma unroll
        for (int g = 0; g < K; ++g) {
            signs[g] = odd(first & pattern[g]) ? R(-1) : R(1);
            own[g] = signs[g] * s[g];
        }
#pragma unroll
        for (int j = 0; j < 1 << K; ++j) {
            re[j] = tile.kr[first ^ shift[j]];
            im[j] = tile.ki[first ^ shift[j]];
        }
        if (BACK) {
            R bre[1 << K], bim[1 << K];
#pragma unroll
            for (int j = 0; j < 1 << K; ++j) {
                bre[j] = tile.br[first ^ shift[j]];
                bim[j] = tile.bi[first ^ shift[j]];
            }
#pragma unroll
            for (int g = 0; g < K; ++g) {
                R sum = 0;
#pragma unroll
                for (int j = 0; j < 1 << K; ++j) {
                    if (j >> g & 1) continue;
                    int other = j | 1 << g;
                    sum += bre[other] * re[j] - bre[j] * re[other];
                    sum += bim[other] * im[j] - bim[j] * im[other];
                }
                found[g] += signs[g] * sum;
            }
            turn_pairs<K>(bre, bim, c, own);
#pragma unroll
            for (int j = 0; j < 1 << K; ++j) {
                tile.br[first ^ shift[j]] = bre[j];
                tile.bi[first ^ shift[j]] = bim[j];
            }
        }
        turn_pairs<K>(re, im, c, own);
#pragma unroll
        for (int j = 0; j < 1 << K; ++j) {
            tile.kr[first ^ shift[j]] = re[j];
            tile.ki[first ^ shift[j]] = im[j];
        }
    });
    if (BACK) {
#pragma unroll
        for (int g = 0; g < K; ++g) {
            if (record[SLOTS + g] < 0) continue;
            R sum = of_warp(found[g]);
            if ((tile.thread & 31) == 0) sums[(tile.thread >> 5) * GROUP + g] = sum;
        }
    }
}

// Adds to what this block has found of an angle.
template <typename R> __device__ __forceinline__ void note(R* slots, int slot, R value, bool is_new) {
    if (is_new)
        slots[slot] = value;
    else
        slots[slot] += value;
}

template <typename R>
__device__ __forceinline__ void note_rotations(
    const Tile<R>& tile, const int* record, u32 base, const R* sums, R* slots, bool is_new
) {
    int g = tile.thread;
    if (g >= record[COUNT]) return;
    int slot = record[SLOTS + g];
    if (slot < 0) return;
    R sum = 0;
    for (int warp = 0; warp < tile.threads / 32; ++warp) sum += sums[warp * GROUP + g];
    R sign = odd(base & (u32)record[FUNCTIONALS + g]) ? R(-0.5) : R(0.5);
    note(slots, slot, sign * sum, is_new);
}

// One pass of a Walsh-Hadamard transform over up to three bits.
template <int K, typename V, typename R, typename Load, typename Store>
__device__ __forceinline__ void transform_pass(
    const Tile<R>& tile, const int* record, Load load, Store store
) {
    each_coset<K>(tile, record, [&](u32 first, const u32* shift) {
        V value[1 << K];
#pragma unroll
        for (int j = 0; j < 1 << K; ++j) value[j] = load(first ^ shift[j]);
#pragma unroll
        for (int g = 0; g < K; ++g) {
            // The first of a pair is the one whose bit is zero, which may be the second here.
            V sign = first & shift[1 << g] ? V(-1) : V(1);
#pragma unroll
            for (int j = 0; j < 1 << K; ++j) {
                if (j >> g & 1) continue;
                V x = value[j], y = value[j | 1 << g];
                value[j] = y + sign * x;
                value[j | 1 << g] = x - sign * y;
            }
        }
#pragma unroll
        for (int j = 0; j < 1 << K; ++j) store(first ^ shift[j], value[j]);
    });
    __syncthreads();
}

// The whole transform of ``V``; the first pass reads by ``load``, the last writes by ``store``.
template <typename V, typename R, typename Load, typename Store>
__device__ __forceinline__ void transform(const Tile<R>& tile, Load load, Store store) {
    int count = tile.head[NUM_PASSES];
    V* work = (V*)tile.work;
    auto read = [=](u32 at) { return work[at]; };
    auto write = [=](u32 at, V value) { work[at] = value; };
    for (int i = 0; i < count; ++i) {
        const int* record = tile.passes + RECORD * i;
        bool is_first = i == 0, is_last = i == count - 1;
        if (is_last) {
            int k = record[COUNT];
            auto any = [=](u32 at) { return is_first ? load(at) : read(at); };
            if (k == 3)
                transform_pass<3, V>(tile, record, any, store);
            else if (k == 2)
                transform_pass<2, V>(tile, record, any, store);
            else
                transform_pass<1, V>(tile, record, any, store);
        } else if (is_first) {
            transform_pass<3, V>(tile, record, load, write);
        } else {
            transform_pass<3, V>(tile, record, read, write);
        }
    }
}

// What phase j adds to the angles of a tile's labels.
template <typename R>
__device__ __forceinline__ typename Phase<R>::Value phase(
    const int* phases, int j, u32 base, const Angles<R>& angles
) {
    int source = __ldg(phases + 4 * j);
    u32 mask = __ldg(phases + 4 * j + 1);
    auto half = Phase<R>::half(
        source < 0 ? __ldg(angles.own - 1 - source) : __ldg(angles.shared + source));
    return odd(base & mask) ? half : -half;
}

// The phases of a layer: forward, or back with their cotangents.
template <bool BACK, typename R>
__device__ __forceinline__ void turn(
    const Tile<R>& tile, const int* plan, const int* record, u32 base, const Angles<R>& angles,
    R* slots, bool is_new
) {
    const int* patterns = plan + record[PATTERNS_AT];
    const int* phases = plan + record[PHASES_AT];
    int count = record[NUM_PATTERNS], heavy = record[NUM_HEAVY];
    typedef typename Phase<R>::Value V;
    R *kr = tile.kr, *ki = tile.ki, *br = tile.br, *bi = tile.bi, *work = tile.work;
    V* sums = (V*)work;
    if (BACK && record[TRAINS]) {
        auto slope = [=](u32 at) { return bi[at] * kr[at] - br[at] * ki[at]; };
        transform<R>(tile, slope, [=](u32 at, R value) { work[at] = value; });
        for (int i = tile.thread; i < record[NUM_PHASES]; i += tile.threads) {
            int slot = __ldg(phases + 4 * i + 2);
            if (slot < 0) continue;
            R sign = odd(base & (u32)__ldg(phases + 4 * i + 1)) ? R(0.5) : R(-0.5);
            note(slots, slot, sign * work[__ldg(phases + 4 * i + 3)], is_new);
        }
        __syncthreads();
    }
    for (int i = tile.thread; i < 1 << tile.bits; i += tile.threads) sums[i] = 0;
    __syncthreads();
    // Patterns of many phases, each by a warp; those of few, each by a thread.
    for (int i = tile.thread >> 5; i < heavy; i += tile.threads >> 5) {
        V sum = 0;
        int end = __ldg(patterns + 3 * i + 2);
        for (int j = __ldg(patterns + 3 * i + 1) + (tile.thread & 31); j < end; j += 32)
            sum += phase(phases, j, base, angles);
        sum = of_warp(sum);
        if ((tile.thread & 31) == 0) sums[__ldg(patterns + 3 * i)] = sum;
    }
    for (int i = heavy + tile.thread; i < count; i += tile.threads) {
        V sum = 0;
        int end = __ldg(patterns + 3 * i + 2);
        for (int j = __ldg(patterns + 3 * i + 1); j < end; ++j)
            sum += phase(phases, j, base, angles);
        sums[__ldg(patterns + 3 * i)] = sum;
    }
    __syncthreads();
    transform<V>(tile, [=](u32 at) { return sums[at]; }, [=](u32 at, V half) {
        R c, s;
        Phase<R>::cos_sin(half, &c, &s);
        if (BACK) s = -s;
        R x = kr[at], y = ki[at];
        kr[at] = c * x - s * y;
        ki[at] = s * x + c * y;
        if (BACK) {
            x = br[at], y = bi[at];
            br[at] = c * x - s * y;
            bi[at] = s * x + c * y;
        }
    });
}

// Calls f(address, label) for each amplitude of a tile.
template <typename R, typename F>
__device__ __forceinline__ void each_label(const Tile<R>& tile, u32 base, u32 own, F f) {
    const int* columns = tile.head + COLUMNS + (31 - __clz(tile.threads));
    for (int m = 0; m * tile.threads + tile.thread < 1 << tile.bits; ++m)
        f(m * tile.threads + tile.thread, base ^ own ^ selected(columns, m));
}

template <bool BACK, typename R> __device__ __forceinline__ void sweep(const Job& job) {
    extern __shared__ __align__(16) char memory[];
    const int* plan = job.plan;
    i64 item = blockIdx.x / job.chunks, chunk = blockIdx.x % job.chunks;
    i64 sample = item;
    bool keeps = true;
    if (BACK) {
        i64 whole = job.directions * job.batch;
        sample = item / whole * job.batch + item % job.batch;
        keeps = item % whole < job.batch;  // one direction's block writes the state
    }
    i64 member = sample / job.batch, half = i64(1) << job.n;
    Tile<R> tile;
    tile.bits = job.t, tile.threads = blockDim.x, tile.thread = threadIdx.x;
    int size = 1 << tile.bits;
    tile.passes = (int*)memory, tile.rows = tile.passes + ROWS, tile.head = tile.passes + HEADS;
    tile.records = tile.head + HEAD;
    tile.kr = (R*)(tile.records + 4 * RECORD), tile.ki = tile.kr + size, tile.work = tile.ki + size;
    tile.values = tile.work + size, tile.start = tile.values + 4 * GROUP;
    tile.sums = tile.start + 64, tile.br = tile.sums + 2 * GROUP * 16, tile.bi = tile.br + size;
    Angles<R> angles;
    angles.turns = (const R*)job.turns + 2 * member * job.turns_count;
    typedef typename Phase<R>::Value V;
    angles.shared = (const V*)job.shared + member * job.phases;
    angles.own = (const V*)job.own + sample * job.own_phases;
    angles.count = job.turns_count;
    R* slots = BACK ? (R*)job.slots + (item * job.chunks + chunk) * job.num_slots : (R*)0;

    for (int i = tile.thread; i < HEADS; i += tile.threads) tile.passes[i] = __ldg(plan + i);
    for (int i = tile.thread; i < HEAD; i += tile.threads)
        tile.head[i] = __ldg(plan + HEADS + HEAD * job.stage + i);
    for (int i = tile.thread; i < 2 * job.n; i += tile.threads)
        tile.start[i] = __ldg((const R*)job.start + 2 * sample * job.n + i);
    __syncthreads();
    int steps = tile.head[STEPS], first_record = tile.head[FIRST_RECORD];
    const int* records = plan + tile.head[RECORDS_AT];
    u32 own = selected(tile.head + COLUMNS, tile.thread & (size - 1));

    // A step's record and its cosines and sines are read while the step before is done.  There are
    // three, for what the last step found may be noted down while the next one's is written.
    auto fetch = [&](int i, int* word, R* value) {
        int which = BACK ? steps - 1 - i : i;
        if (tile.thread >= RECORD || i >= steps) return;
        *word = __ldg(records + RECORD * which + tile.thread);
        int g = tile.thread % GROUP, part = tile.thread / GROUP;
        if (part < 2) *value = __ldg(angles.turns + part * angles.count +
                                     GROUP * (first_record + which) + g);
    };
    auto put = [&](int i, int word, R value) {
        if (tile.thread >= RECORD) return;
        tile.records[i % 3 * RECORD + tile.thread] = word;
        if (tile.thread < 2 * GROUP) tile.values[i % 2 * 2 * GROUP + tile.thread] = value;
    };

    for (i64 number = chunk; number < i64(1) << (job.n - job.t); number += job.chunks) {
        u32 base = 0;
        for (int i = 0; i < job.n - job.t; ++i) base |= (u32)(number >> i & 1) << tile.head[FREE + i];
        int word = 0;
        R value = 0;
        fetch(0, &word, &value);
        if (!BACK && job.fills) {
            each_label(tile, base, own, [&](u32 at, u32 label) {
                R product = 1;
                for (int q = 0; q < job.n; ++q)
                    product *= tile.start[odd(label & (u32)tile.rows[q]) ? job.n + q : q];
                tile.kr[at] = product;
                tile.ki[at] = 0;
            });
        } else {
            const R* ket = (const R*)job.ket_in + 2 * half * sample;
            each_label(tile, base, own, [&](u32 at, u32 label) {
                tile.kr[at] = ket[label];
                tile.ki[at] = ket[half + label];
            });
        }
        if (BACK) {
            const R* bra = (const R*)job.bra_in + 2 * half * item;
            each_label(tile, base, own, [&](u32 at, u32 label) {
                tile.br[at] = bra[label];
                tile.bi[at] = bra[half + label];
            });
        }
        put(0, word, value);
        __syncthreads();
        for (int i = 0; i < steps; ++i) {
            const int* record = tile.records + i % 3 * RECORD;
            const R* values = tile.values + i % 2 * 2 * GROUP;
            R* sums = tile.sums + i % 2 * GROUP * 16;
            fetch(i + 1, &word, &value);
            int kind = record[KIND];
            bool turns = kind != PHASES && (BACK || kind != START);
            if (kind == PHASES)
                turn<BACK>(tile, plan, record, base, angles, slots, number == chunk);
            else if (turns && record[COUNT] == 3)
                rotate<3, BACK>(tile, record, values, base, sums);
            else if (turns && record[COUNT] == 2)
                rotate<2, BACK>(tile, record, values, base, sums);
            else if (turns)
                rotate<1, BACK>(tile, record, values, base, sums);
            put(i + 1, word, value);
            __syncthreads();
            if (BACK && kind != PHASES)
                note_rotations(tile, record, base, sums, slots, number == chunk);
        }
        if (job.ket_out && keeps) {
            R* ket = (R*)job.ket_out + 2 * half * sample;
            each_label(tile, base, own, [&](u32 at, u32 label) {
                ket[label] = tile.kr[at];
                ket[half + label] = tile.ki[at];
            });
        }
        if (BACK && job.bra_out) {
            R* bra = (R*)job.bra_out + 2 * half * item;
            each_label(tile, base, own, [&](u32 at, u32 label) {
                bra[label] = tile.br[at];
                bra[half + label] = tile.bi[at];
            });
        }
        __syncthreads();
    }
}

// A kernel by itself is compiled where ONLY_ and its name are defined.
#if defined(ONLY_forward_single) || defined(ONLY_forward_double) || defined(ONLY_back_single) || \
    defined(ONLY_back_double)
#define ONLY
#endif

// Two blocks on a multiprocessor hide each other's waits; a reverse sweep of doubles needs the
// registers of one.
#define ENTRY(name, back, real, blocks)                                                              \
    extern "C" __global__ void __launch_bounds__(512, blocks) name(const __grid_constant__ Job job) { \
        sweep<back, real>(job);                                                                      \
    }

#if !defined(ONLY) || defined(ONLY_forward_single)
ENTRY(forward_single, false, float, 2)
#endif
#if !defined(ONLY) || defined(ONLY_forward_double)
ENTRY(forward_double, false, double, 2)
#endif
#if !defined(ONLY) || defined(ONLY_back_single)
ENTRY(back_single, true, float, 2)
#endif
#if !defined(ONLY) || defined(ONLY_back_double)
ENTRY(back_double, true, double, 1)
#endif
