// The flexible OFDM frames of liquid-dsp at work: how fast they are sent, searched for and received, and how many of
// them arrive. One JSON object on stdout; what the library itself prints goes to stderr.
//
//   liquid_anchor throughput FFT CP PAYLOAD_BYTES FRAMES SEED
//   liquid_anchor packets PAYLOAD_BYTES TRIALS SEED SNR_DB...
//
// Frames are the library's default: QPSK, no code, CRC-32. Speeds are seconds of process CPU time; everything is done
// once before it is timed. Exit status 2: the arguments make no sense, or the library refused.

#include <complex.h>
#include <liquid/liquid.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef float complex sample_t;

enum { HEADER_BYTES = 8, BLOCK = 1024, IDLE_SAMPLES = 500000 };
static const double THROUGHPUT_SNR_DB = 30.0;
static const double THROUGHPUT_CFO = 0.2; // subcarrier spacings
static const double PACKET_CFO = 0.3;     // largest, inside the library's lock range of half a spacing

static void fail(const char *what) {
    fprintf(stderr, "liquid_anchor: %s\n", what);
    exit(2);
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL)
        fail("not enough memory");
    return memory;
}

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// ---- random numbers: splitmix64 (G. Steele et al., OOPSLA 2014) and the polar method -------------------------------

static uint64_t random_state;

static uint64_t random_word(void) {
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double random_uniform(void) { return (double)(random_word() >> 11) * 0x1p-53; }

// Complex Gaussian of unit variance.
static sample_t random_noise(void) {
    for (;;) {
        const double x = 2 * random_uniform() - 1, y = 2 * random_uniform() - 1, s = x * x + y * y;
        if (s > 0 && s < 1) {
            const double scale = sqrt(-log(s) / s);
            return (float)(x * scale) + (float)(y * scale) * I;
        }
    }
}

static void random_bytes(unsigned char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)(random_word() >> 56);
}

// ---- frames --------------------------------------------------------------------------------------------------------

typedef struct {
    unsigned int fft, cp, payload_bytes, frames;
    unsigned char *payloads; // [frames][payload_bytes]
    unsigned int detected, headers, right;
} link_t;

static ofdmflexframegen open_generator(const link_t *link) {
    ofdmflexframegenprops_s properties;
    ofdmflexframegenprops_init_default(&properties);
    properties.check = LIQUID_CRC_32;
    properties.fec0 = LIQUID_FEC_NONE;
    properties.fec1 = LIQUID_FEC_NONE;
    properties.mod_scheme = LIQUID_MODEM_QPSK;
    ofdmflexframegen generator = ofdmflexframegen_create(link->fft, link->cp, link->fft / 16, NULL, &properties);
    if (generator == NULL)
        fail("the library refuses this FFT size or prefix");
    return generator;
}

static void assemble(ofdmflexframegen generator, const link_t *link, unsigned int frame) {
    unsigned char header[HEADER_BYTES] = {0};
    memcpy(header, &frame, sizeof frame);
    const unsigned char *payload = link->payloads + (size_t)frame * link->payload_bytes;
    if (ofdmflexframegen_assemble(generator, header, payload, link->payload_bytes) != LIQUID_OK)
        fail("the library refuses this payload");
}

static int on_frame(unsigned char *header, int header_valid, unsigned char *payload, unsigned int payload_bytes,
                    int payload_valid, framesyncstats_s statistics, void *context) {
    link_t *link = context;
    unsigned int frame;
    (void)statistics;
    link->detected++;
    if (!header_valid)
        return 0;
    link->headers++;
    memcpy(&frame, header, sizeof frame);
    // The checksum alone could be right by chance; these are the bytes that were sent.
    if (payload_valid && frame < link->frames && payload_bytes == link->payload_bytes &&
        memcmp(payload, link->payloads + (size_t)frame * payload_bytes, payload_bytes) == 0)
        link->right++;
    return 0;
}

static ofdmflexframesync open_synchronizer(link_t *link) {
    ofdmflexframesync found = ofdmflexframesync_create(link->fft, link->cp, link->fft / 16, NULL, on_frame, link);
    if (found == NULL)
        fail("the library refuses this FFT size or prefix");
    link->detected = link->headers = link->right = 0;
    return found;
}

static void feed(ofdmflexframesync synchronizer, sample_t *samples, size_t count) {
    for (size_t at = 0; at < count; at += BLOCK)
        ofdmflexframesync_execute(synchronizer, samples + at, (unsigned int)(count - at < BLOCK ? count - at : BLOCK));
}

// Writes one frame; returns its samples. A symbol that is written whole and is the last one ends it.
static size_t write_frame(ofdmflexframegen generator, const link_t *link, sample_t *samples) {
    const size_t symbol = link->fft + link->cp;
    size_t count = 0;
    int last = 0;
    while (!last) {
        last = ofdmflexframegen_write(generator, samples + count, (unsigned int)symbol);
        count += symbol;
    }
    return count;
}

static double mean_power(const sample_t *samples, size_t count) {
    double power = 0;
    for (size_t i = 0; i < count; i++)
        power += (double)crealf(samples[i] * conjf(samples[i]));
    return power / (double)count;
}

// Adds a frame, turned by a carrier offset in radians per sample.
static void add(sample_t *samples, const sample_t *frame, size_t count, double step, double phase) {
    for (size_t i = 0; i < count; i++)
        samples[i] += frame[i] * (sample_t)cexp(I * (phase + step * (double)i));
}

static link_t open_link(unsigned int fft, unsigned int cp, unsigned int payload_bytes, unsigned int frames) {
    link_t link = {.fft = fft, .cp = cp, .payload_bytes = payload_bytes, .frames = frames};
    link.payloads = allocate((size_t)payload_bytes * frames, 1);
    random_bytes(link.payloads, (size_t)payload_bytes * frames);
    return link;
}

static size_t frame_capacity(const link_t *link) {
    ofdmflexframegen generator = open_generator(link);
    assemble(generator, link, 0);
    const size_t symbols = ofdmflexframegen_getframelen(generator);
    ofdmflexframegen_destroy(generator);
    return (symbols + 8) * (link->fft + link->cp);
}

// ---- throughput ----------------------------------------------------------------------------------------------------

static double time_receive(link_t *link, sample_t *samples, size_t count) {
    double seconds = 0;
    for (int warm = 0; warm < 2; warm++) {
        ofdmflexframesync synchronizer = open_synchronizer(link);
        const double began = cpu_seconds();
        feed(synchronizer, samples, count);
        seconds = cpu_seconds() - began;
        ofdmflexframesync_destroy(synchronizer);
    }
    return seconds;
}

static double time_transmit(const link_t *link, sample_t *room, size_t *sent) {
    double seconds = 0;
    ofdmflexframegen generator = open_generator(link);
    for (int warm = 0; warm < 2; warm++) {
        *sent = 0;
        const double began = cpu_seconds();
        for (unsigned int frame = 0; frame < link->frames; frame++) {
            assemble(generator, link, frame);
            *sent += write_frame(generator, link, room);
        }
        seconds = cpu_seconds() - began;
    }
    ofdmflexframegen_destroy(generator);
    return seconds;
}

static void throughput(FILE *out, unsigned int fft, unsigned int cp, unsigned int payload_bytes, unsigned int frames) {
    link_t link = open_link(fft, cp, payload_bytes, frames);
    const size_t capacity = frame_capacity(&link);
    sample_t *frame = allocate(capacity, sizeof *frame);
    ofdmflexframegen generator = open_generator(&link);
    assemble(generator, &link, 0);
    const size_t length = write_frame(generator, &link, frame);
    const double power = mean_power(frame, length);
    const size_t gap = length / 10, period = length + gap, count = period * frames;

    sample_t *samples = allocate(count, sizeof *samples);
    const float deviation = (float)sqrt(power * pow(10, -THROUGHPUT_SNR_DB / 10));
    for (size_t i = 0; i < count; i++)
        samples[i] = deviation * random_noise();
    for (unsigned int k = 0; k < frames; k++) {
        assemble(generator, &link, k);
        write_frame(generator, &link, frame);
        add(samples + k * period + gap / 2, frame, length, 2 * M_PI * THROUGHPUT_CFO / fft, 2 * M_PI * random_uniform());
    }
    ofdmflexframegen_destroy(generator);

    size_t sent = 0;
    const double receive_s = time_receive(&link, samples, count);
    const unsigned int headers = link.headers, right = link.right;
    const double transmit_s = time_transmit(&link, frame, &sent);
    sample_t *noise = allocate(IDLE_SAMPLES, sizeof *noise);
    for (size_t i = 0; i < IDLE_SAMPLES; i++)
        noise[i] = 0.1f * random_noise();
    const double idle_s = time_receive(&link, noise, IDLE_SAMPLES);
    fprintf(out,
            "{\"library\": \"%s\", \"frame_samples\": %zu, \"frames\": %u, \"headers\": %u, \"right\": %u, "
            "\"receive_samples\": %zu, \"receive_s\": %.9f, \"transmit_samples\": %zu, \"transmit_s\": %.9f, "
            "\"idle_samples\": %d, \"idle_s\": %.9f}\n",
            liquid_libversion(), length, frames, headers, right, count, receive_s, sent, transmit_s, IDLE_SAMPLES,
            idle_s);
    free(noise), free(samples), free(frame), free(link.payloads);
}

// ---- packet errors over signal-to-noise ratio ----------------------------------------------------------------------

static void packets(FILE *out, unsigned int payload_bytes, unsigned int trials, int n_levels, char **levels) {
    enum { FFT = 64, CP = 16, LEAST_GAP = 200, MOST_GAP = 400, TAIL = 400 };
    fprintf(out, "{\"library\": \"%s\", \"trials\": %u, \"levels\": [", liquid_libversion(), trials);
    for (int level = 0; level < n_levels; level++) {
        const double snr_db = strtod(levels[level], NULL);
        link_t link = open_link(FFT, CP, payload_bytes, trials);
        const size_t capacity = frame_capacity(&link), room = MOST_GAP + capacity + TAIL;
        sample_t *frame = allocate(capacity, sizeof *frame), *samples = allocate(room, sizeof *samples);
        ofdmflexframegen generator = open_generator(&link);
        ofdmflexframesync synchronizer = open_synchronizer(&link);
        for (unsigned int trial = 0; trial < trials; trial++) {
            assemble(generator, &link, trial);
            const size_t length = write_frame(generator, &link, frame);
            const float deviation = (float)sqrt(mean_power(frame, length) * pow(10, -snr_db / 10));
            const size_t gap = LEAST_GAP + random_word() % (MOST_GAP - LEAST_GAP), count = gap + length + TAIL;
            for (size_t i = 0; i < count; i++)
                samples[i] = deviation * random_noise();
            const double offset = PACKET_CFO * (2 * random_uniform() - 1);
            add(samples + gap, frame, length, 2 * M_PI * offset / FFT, 2 * M_PI * random_uniform());
            ofdmflexframesync_reset(synchronizer);
            feed(synchronizer, samples, count);
        }
        fprintf(out, "%s{\"snr_db\": %g, \"detected\": %u, \"headers\": %u, \"right\": %u}", level ? ", " : "", snr_db,
                link.detected, link.headers, link.right);
        ofdmflexframesync_destroy(synchronizer);
        ofdmflexframegen_destroy(generator);
        free(samples), free(frame), free(link.payloads);
    }
    fprintf(out, "]}\n");
}

static unsigned int number(const char *text, unsigned long least, unsigned long most) {
    char *end;
    const unsigned long value = strtoul(text, &end, 10);
    if (*text == 0 || *end != 0 || value < least || value > most)
        fail("an argument is not a number, or out of range");
    return (unsigned int)value;
}

int main(int count, char **arguments) {
    // The library logs to stdout, in colours.
    FILE *out = fdopen(dup(STDOUT_FILENO), "w");
    if (out == NULL || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        fail("cannot redirect stdout");
    if (count == 7 && strcmp(arguments[1], "throughput") == 0) {
        random_state = number(arguments[6], 0, UINT32_MAX);
        throughput(out, number(arguments[2], 16, 4096), number(arguments[3], 1, 4096),
                   number(arguments[4], 1, LIQUID_MAX_PAYLOAD_LEN), number(arguments[5], 1, 100000));
    } else if (count > 5 && strcmp(arguments[1], "packets") == 0) {
        random_state = number(arguments[4], 0, UINT32_MAX);
        packets(out, number(arguments[2], 1, LIQUID_MAX_PAYLOAD_LEN), number(arguments[3], 1, 1000000), count - 5,
                arguments + 5);
    } else {
        fail("throughput FFT CP PAYLOAD_BYTES FRAMES SEED | packets PAYLOAD_BYTES TRIALS SEED SNR_DB...");
    }
    return fclose(out) == 0 ? 0 : 2;
}
