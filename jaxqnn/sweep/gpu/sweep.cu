// The forward and the reverse sweep over one stage of a program; plan.py has the words.
//
// A block holds one tile of one state (and of its bra) in shared memory, does all steps of the
// stage on it, and goes on to its next tile.  What a block finds of an angle's cotangent it keeps
// in a place of its own, so that no result depends on the order in which blocks run.

typedef unsigned int u32;
typedef long long i64;

enum { PHASES = 0, ROTATION = 2, START = 3 };
enum { GROUP = 3 };

struct Job {
    const int* plan;
    const void* turns;   // (E, 2, R): cosines and sines of half the rotations' angles
    const void* shared;  // (E, K): phases that the batch shares
    const void* own;     // (E B, K'): the samples' own
    const void* start;   // (E B, 2, n): cosines and sines of half the start's angles
    const void* ket_in;  // (E B, 2, 2^n)
    const void* bra_in;  // (E T B, 2, 2^n)
    void* ket_out;       // of a reverse sweep, null at the last stage
    void* bra_out;
    void* slots;         // (E T B, C, S)
    i64 stage;
    i64 fills;           // whether the state is the start's, and nothing is read
    i64 n, t, batch, directions, rotations, phases, own_phases, num_slots, chunks;
};

__device__ __forceinline__ void cos_sin(float x, float* c, float* s) { sincosf(x, s, c); }
__device__ __forceinline__ void cos_sin(double x, double* c, double* s) { sincos(x, s, c); }

__device__ __forceinline__ u32 odd(u32 x) { return __popc(x) & 1; }

// The sum of the vectors that the bits select.
__device__ __forceinline__ u32 selected(const int* vectors, u32 bits) {
    u32 found = 0;
    for (int i = 0; bits >> i; ++i)
        if (bits >> i & 1) found ^= (u32)__ldg(vectors + i);
    return found;
}

template <typename R> struct Tile {
    R *kr, *ki, *br, *bi, *work, *sums;
    int bits, threads, thread;
};

// Calls f(first address, addresses of the 2^k amplitudes) for each coset of a step's vectors.
template <int K, typename R, typename F>
__device__ __forceinline__ void each_coset(const Tile<R>& tile, const int* group, F f) {
    u32 shift[1 << K];
    shift[0] = 0;
#pragma unroll
    for (int g = 0; g < K; ++g) {
        u32 vector = __ldg(group + 1 + g);
#pragma unroll
        for (int j = 0; j < 1 << g; ++j) shift[1 << g | j] = shift[j] ^ vector;
    }
    int count = 1 << (tile.bits - K);
    for (int i = tile.thread; i < count; i += tile.threads)
        f(selected(group + 1 + GROUP, i), shift);
}

template <typename R> __device__ __forceinline__ R of_warp(R value) {
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
    const R *turns, *shared, *own, *start;
    i64 rotations, n;
};

// A step of up to three rotations: forward, or back with their cotangents.
template <int K, bool BACK, typename R>
__device__ __forceinline__ void rotate(
    const Tile<R>& tile, const int* step, u32 base, const Angles<R>& angles, R* sums
) {
    const int* group = step + 1 + 4 * GROUP;
    bool is_start = __ldg(step) == START;
    R c[K], s[K], found[K];
    u32 pattern[K];
#pragma unroll
    for (int g = 0; g < K; ++g) {
        pattern[g] = __ldg(step + 1 + g);
        int angle = __ldg(step + 1 + 2 * GROUP + g);
        R sign = odd(base & (u32)__ldg(step + 1 + GROUP + g)) ? R(-1) : R(1);
        c[g] = is_start ? R(1) : __ldg(angles.turns + angle);
        s[g] = is_start ? R(0) : sign * __ldg(angles.turns + angles.rotations + angle);
        if (BACK) s[g] = -s[g];
        found[g] = 0;
    }
    each_coset<K>(tile, group, [&](u32 first, const u32* shift) {
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
            if (__ldg(step + 1 + 3 * GROUP + g) < 0) continue;
            R sum = of_warp(found[g]);
            if ((tile.thread & 31) == 0) sums[(tile.thread >> 5) * GROUP + g] = sum;
        }
    }
    __syncthreads();
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
    const Tile<R>& tile, const int* step, u32 base, const R* sums, R* slots, bool is_new
) {
    int g = tile.thread;
    if (g >= __ldg(step + 1 + 4 * GROUP)) return;
    int slot = __ldg(step + 1 + 3 * GROUP + g);
    if (slot < 0) return;
    R sum = 0;
    for (int warp = 0; warp < tile.threads / 32; ++warp) sum += sums[warp * GROUP + g];
    R sign = odd(base & (u32)__ldg(step + 1 + GROUP + g)) ? R(-0.5) : R(0.5);
    note(slots, slot, sign * sum, is_new);
}

// One pass of a Walsh-Hadamard transform over up to three bits.
template <int K, typename R, typename Load, typename Store>
__device__ __forceinline__ void transform_pass(
    const Tile<R>& tile, const int* group, Load load, Store store
) {
    each_coset<K>(tile, group, [&](u32 first, const u32* shift) {
        R value[1 << K];
#pragma unroll
        for (int j = 0; j < 1 << K; ++j) value[j] = load(first ^ shift[j]);
#pragma unroll
        for (int g = 0; g < K; ++g) {
            // The first of a pair is the one whose bit is zero, which may be the second here.
            R sign = first & shift[1 << g] ? R(-1) : R(1);
#pragma unroll
            for (int j = 0; j < 1 << K; ++j) {
                if (j >> g & 1) continue;
                R x = value[j], y = value[j | 1 << g];
                value[j] = y + sign * x;
                value[j | 1 << g] = x - sign * y;
            }
        }
#pragma unroll
        for (int j = 0; j < 1 << K; ++j) store(first ^ shift[j], value[j]);
    });
    __syncthreads();
}

// The whole transform; the first pass reads by ``load``, the last writes by ``store``.
template <typename R, typename Load, typename Store>
__device__ __forceinline__ void transform(
    const Tile<R>& tile, const int* plan, Load load, Store store
) {
    const int* passes = plan + __ldg(plan + 1);
    int count = __ldg(plan + 2);
    R* work = tile.work;
    auto read = [=](u32 at) { return work[at]; };
    auto write = [=](u32 at, R value) { work[at] = value; };
    for (int i = 0; i < count; ++i) {
        const int* group = plan + __ldg(passes + i);
        bool is_first = i == 0, is_last = i == count - 1;
        if (is_last) {
            int k = __ldg(group);
            auto any = [=](u32 at) { return is_first ? load(at) : read(at); };
            if (k == 3)
                transform_pass<3>(tile, group, any, store);
            else if (k == 2)
                transform_pass<2>(tile, group, any, store);
            else
                transform_pass<1>(tile, group, any, store);
        } else if (is_first) {
            transform_pass<3>(tile, group, load, write);
        } else {
            transform_pass<3>(tile, group, read, write);
        }
    }
}

// The phases of a layer: forward, or back with their cotangents.
template <bool BACK, typename R>
__device__ __forceinline__ void turn(
    const Tile<R>& tile, const int* plan, const int* step, u32 base, const Angles<R>& angles,
    R* slots, bool is_new
) {
    const int* patterns = plan + __ldg(step + 2);
    const int* entries = plan + __ldg(step + 4);
    int count = __ldg(step + 1);
    R *kr = tile.kr, *ki = tile.ki, *br = tile.br, *bi = tile.bi, *work = tile.work;
    if (BACK && __ldg(step + 5)) {
        auto slope = [=](u32 at) { return bi[at] * kr[at] - br[at] * ki[at]; };
        transform(tile, plan, slope, [=](u32 at, R value) { work[at] = value; });
        int number = __ldg(step + 3);
        for (int i = tile.thread; i < number; i += tile.threads) {
            int slot = __ldg(entries + 4 * i + 2);
            if (slot < 0) continue;
            R sign = odd(base & (u32)__ldg(entries + 4 * i + 1)) ? R(0.5) : R(-0.5);
            note(slots, slot, sign * work[__ldg(entries + 4 * i + 3)], is_new);
        }
        __syncthreads();
    }
    for (int i = tile.thread; i < 1 << tile.bits; i += tile.threads) work[i] = 0;
    __syncthreads();
    for (int i = tile.thread; i < count; i += tile.threads) {
        R sum = 0;
        for (int j = __ldg(patterns + 3 * i + 1); j < __ldg(patterns + 3 * i + 2); ++j) {
            int source = __ldg(entries + 4 * j);
            R angle = source < 0 ? __ldg(angles.own - 1 - source) : __ldg(angles.shared + source);
            sum += odd(base & (u32)__ldg(entries + 4 * j + 1)) ? angle : -angle;
        }
        work[__ldg(patterns + 3 * i)] = R(0.5) * sum;
    }
    __syncthreads();
    transform(tile, plan, [=](u32 at) { return work[at]; }, [=](u32 at, R angle) {
        R c, s;
        cos_sin(angle, &c, &s);
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

template <typename R>
__device__ __forceinline__ void read_state(
    const Tile<R>& tile, const R* from, i64 half, const int* columns, u32 base, R* re, R* im
) {
    for (int i = tile.thread; i < 1 << tile.bits; i += tile.threads) {
        u32 label = base ^ selected(columns, i);
        re[i] = from[label];
        im[i] = from[half + label];
    }
}

template <typename R>
__device__ __forceinline__ void write_state(
    const Tile<R>& tile, const R* re, const R* im, i64 half, const int* columns, u32 base, R* to
) {
    for (int i = tile.thread; i < 1 << tile.bits; i += tile.threads) {
        u32 label = base ^ selected(columns, i);
        to[label] = re[i];
        to[half + label] = im[i];
    }
}

template <typename R>
__device__ __forceinline__ void fill(
    const Tile<R>& tile, const Angles<R>& angles, const int* columns, u32 base, const int* rows
) {
    for (int i = tile.thread; i < 1 << tile.bits; i += tile.threads) {
        u32 label = base ^ selected(columns, i);
        R product = 1;
        for (int q = 0; q < angles.n; ++q)
            product *= __ldg(angles.start + (odd(label & (u32)__ldg(rows + q)) ? angles.n : 0) + q);
        tile.kr[i] = product;
        tile.ki[i] = 0;
    }
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
    tile.kr = (R*)memory, tile.ki = tile.kr + size, tile.work = tile.ki + size;
    tile.br = tile.work + size, tile.bi = tile.br + size, tile.sums = tile.bi + size;
    Angles<R> angles;
    angles.turns = (const R*)job.turns + 2 * member * job.rotations;
    angles.shared = (const R*)job.shared + member * job.phases;
    angles.own = (const R*)job.own + sample * job.own_phases;
    angles.start = (const R*)job.start + 2 * sample * job.n;
    angles.rotations = job.rotations, angles.n = job.n;
    R* slots = BACK ? (R*)job.slots + (item * job.chunks + chunk) * job.num_slots : (R*)0;

    const int* stage = plan + __ldg(plan + __ldg(plan) + job.stage);
    int steps = __ldg(stage);
    const int* places = plan + __ldg(stage + 1);
    const int* columns = stage + 2;
    const int* free = columns + tile.bits;
    int parity = 0;
    for (i64 number = chunk; number < i64(1) << (job.n - job.t); number += job.chunks) {
        u32 base = 0;
        for (int i = 0; i < job.n - job.t; ++i) base |= (u32)(number >> i & 1) << __ldg(free + i);
        if (!BACK && job.fills)
            fill(tile, angles, columns, base, plan + __ldg(plan + 3));
        else
            read_state(tile, (const R*)job.ket_in + 2 * half * sample, half, columns, base,
                       tile.kr, tile.ki);
        if (BACK)
            read_state(tile, (const R*)job.bra_in + 2 * half * item, half, columns, base, tile.br,
                       tile.bi);
        __syncthreads();
        for (int i = 0; i < steps; ++i) {
            const int* step = plan + __ldg(places + (BACK ? steps - 1 - i : i));
            int kind = __ldg(step);
            if (kind == PHASES) {
                turn<BACK>(tile, plan, step, base, angles, slots, number == chunk);
                continue;
            }
            if (!BACK && kind == START) continue;
            R* sums = tile.sums + parity * GROUP * (tile.threads / 32);
            int k = __ldg(step + 1 + 4 * GROUP);
            if (k == 3)
                rotate<3, BACK>(tile, step, base, angles, sums);
            else if (k == 2)
                rotate<2, BACK>(tile, step, base, angles, sums);
            else
                rotate<1, BACK>(tile, step, base, angles, sums);
            if (BACK) note_rotations(tile, step, base, sums, slots, number == chunk);
            parity ^= 1;
        }
        if (job.ket_out && keeps)
            write_state(tile, tile.kr, tile.ki, half, columns, base,
                        (R*)job.ket_out + 2 * half * sample);
        if (BACK && job.bra_out)
            write_state(tile, tile.br, tile.bi, half, columns, base,
                        (R*)job.bra_out + 2 * half * item);
        __syncthreads();
    }
}

// A kernel by itself is compiled where ONLY_ and its name are defined.
#if defined(ONLY_forward_single) || defined(ONLY_forward_double) || defined(ONLY_back_single) || \
    defined(ONLY_back_double)
#define ONLY
#endif

#define ENTRY(name, back, real)                                                              \
    extern "C" __global__ void __launch_bounds__(512) name(const __grid_constant__ Job job) { \
        sweep<back, real>(job);                                                              \
    }

#if !defined(ONLY) || defined(ONLY_forward_single)
ENTRY(forward_single, false, float)
#endif
#if !defined(ONLY) || defined(ONLY_forward_double)
ENTRY(forward_double, false, double)
#endif
#if !defined(ONLY) || defined(ONLY_back_single)
ENTRY(back_single, true, float)
#endif
#if !defined(ONLY) || defined(ONLY_back_double)
ENTRY(back_double, true, double)
#endif
