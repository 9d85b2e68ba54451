// Sums of Pauli strings: means <bra|O|ket> of each observable, and images, the weighted sum of O|ket>.
//
// (P psi)[x] = c (-1)^parity(mask & x) psi[x ^ shift]; strings of one shift are a group.

typedef unsigned int u32;
typedef long long i64;

struct Sums {
    const u32* masks;          // (C, K)
    const void* coefficients;  // (C, K, 2)
    const u32* shifts;         // (C)
    const int* outputs;        // (C), in order
    const int* counts;         // (C): strings of a group
    const void* first;         // means: bra (B, 2, 2^n); images: ket
    const void* second;        // means: ket; images: weights (B, m)
    void* out;                 // means: (B, blocks of a state, m); images: (B, 2, 2^n)
    i64 n, groups, width, num_outputs, chunks;
};

__device__ __forceinline__ u32 odd(u32 x) { return __popc(x) & 1; }

// What a group's strings multiply an amplitude by.
template <typename R>
__device__ __forceinline__ void factor(const Sums& sums, int group, u32 label, R* re, R* im) {
    const u32* masks = sums.masks + group * sums.width;
    const R* coefficients = (const R*)sums.coefficients + 2 * group * sums.width;
    *re = *im = 0;
    for (int k = 0; k < __ldg(sums.counts + group); ++k) {
        R sign = odd(label & __ldg(masks + k)) ? R(-1) : R(1);
        *re += sign * __ldg(coefficients + 2 * k);
        *im += sign * __ldg(coefficients + 2 * k + 1);
    }
}

template <typename R> __device__ __forceinline__ void means(const Sums& sums) {
    extern __shared__ __align__(16) char memory[];
    double* parts = (double*)memory;
    i64 item = blockIdx.x / sums.chunks, chunk = blockIdx.x % sums.chunks;
    i64 size = i64(1) << sums.n, each = size / sums.chunks;
    const R* bra = (const R*)sums.first + 2 * size * item;
    const R* ket = (const R*)sums.second + 2 * size * item;
    R* out = (R*)sums.out + blockIdx.x * sums.num_outputs;
    for (int o = threadIdx.x; o < sums.num_outputs; o += blockDim.x) out[o] = 0;
    __syncthreads();
    for (int begin = 0, end; begin < sums.groups; begin = end) {
        int output = __ldg(sums.outputs + begin);
        for (end = begin; end < sums.groups && __ldg(sums.outputs + end) == output;) ++end;
        R sum = 0;
        for (i64 i = chunk * each + threadIdx.x; i < (chunk + 1) * each; i += blockDim.x) {
            R re = 0, im = 0;
            for (int group = begin; group < end; ++group) {
                R a, b;
                factor(sums, group, (u32)i, &a, &b);
                i64 from = (u32)i ^ __ldg(sums.shifts + group);
                re += a * ket[from] - b * ket[size + from];
                im += a * ket[size + from] + b * ket[from];
            }
            sum += bra[i] * re + bra[size + i] * im;
        }
#pragma unroll
        for (int step = 16; step > 0; step >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, step);
        if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = sum;
        __syncthreads();
        if (threadIdx.x == 0) {
            R whole = 0;
            for (int warp = 0; warp < blockDim.x / 32; ++warp) whole += R(parts[warp]);
            out[output] = whole;
        }
        __syncthreads();
    }
}

template <typename R> __device__ __forceinline__ void images(const Sums& sums) {
    i64 item = blockIdx.x / sums.chunks, chunk = blockIdx.x % sums.chunks;
    i64 size = i64(1) << sums.n, each = size / sums.chunks;
    const R* ket = (const R*)sums.first + 2 * size * item;
    const R* weights = (const R*)sums.second + sums.num_outputs * item;
    R* out = (R*)sums.out + 2 * size * item;
    for (i64 i = chunk * each + threadIdx.x; i < (chunk + 1) * each; i += blockDim.x) {
        R re = 0, im = 0;
        for (int group = 0; group < sums.groups; ++group) {
            R a, b, weight = __ldg(weights + __ldg(sums.outputs + group));
            factor(sums, group, (u32)i, &a, &b);
            a *= weight, b *= weight;
            i64 from = (u32)i ^ __ldg(sums.shifts + group);
            re += a * ket[from] - b * ket[size + from];
            im += a * ket[size + from] + b * ket[from];
        }
        out[i] = re;
        out[size + i] = im;
    }
}

// A kernel by itself is compiled where ONLY_ and its name are defined.
#if defined(ONLY_means_single) || defined(ONLY_means_double) || defined(ONLY_images_single) || \
    defined(ONLY_images_double)
#define ONLY
#endif

#define ENTRY(name, work, real) \
    extern "C" __global__ void name(const __grid_constant__ Sums sums) { work<real>(sums); }

#if !defined(ONLY) || defined(ONLY_means_single)
ENTRY(means_single, means, float)
#endif
#if !defined(ONLY) || defined(ONLY_means_double)
ENTRY(means_double, means, double)
#endif
#if !defined(ONLY) || defined(ONLY_images_single)
ENTRY(images_single, images, float)
#endif
#if !defined(ONLY) || defined(ONLY_images_double)
ENTRY(images_double, images, double)
#endif
