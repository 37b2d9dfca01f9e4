"""A GAN on one number: a generator learns to turn uniform noise into draws from a normal distribution."""

import numpy as np

import mlcore
from mlcore.losses import gan_discriminator, gan_generator
from mlcore.optimizers import Adam

MEAN, STD = 4.0, 1.25
STEPS, BATCH, RATE = 1500, 256, 0.003


def train(seed):
    """Train on draws from N(MEAN, STD); return the mean and standard deviation of 100 000 generated numbers."""
    rng = np.random.default_rng(seed)
    generator = mlcore.Network((1, 16, 1), ["tanh", "identity"], random_state=seed)
    discriminator = mlcore.Network((1, 32, 32, 1), ["leaky_relu", "leaky_relu", "sigmoid"], random_state=seed + 1000)
    generator_steps = Adam(generator, RATE, beta_1=0.5)
    discriminator_steps = Adam(discriminator, RATE, beta_1=0.5)

    def noise():
        return rng.uniform(-1.0, 1.0, (BATCH, 1))

    def blurred(numbers):
        # The discriminator sees everything with N(0, 1) added. Real and generated numbers then overlap from the first
        # step, so that it never wins outright and always has a slope to teach; the best generator stays the same.
        return numbers + rng.normal(0.0, 1.0, numbers.shape)

    for step in range(STEPS):
        generator_steps.learning_rate = discriminator_steps.learning_rate = RATE * (1.0 - step / STEPS)

        # the discriminator learns to answer 1 for real numbers and 0 for generated ones
        real, fake = rng.normal(MEAN, STD, (BATCH, 1)), generator.forward(noise())
        seen = blurred(np.vstack([real, fake]))
        answers = discriminator.forward(seen)
        _, d_real, d_fake = gan_discriminator(answers[:BATCH], answers[BATCH:])
        discriminator_steps.step(discriminator.backward(seen, np.vstack([d_real, d_fake])))

        # the generator learns to be answered 1: its loss goes back through the discriminator to the generated numbers
        source = noise()
        seen = blurred(generator.forward(source))
        _, d_answers = gan_generator(discriminator.forward(seen))
        d_numbers = discriminator.backward(seen, d_answers).inputs
        generator_steps.step(generator.backward(source, d_numbers))

    generated = generator.forward(rng.uniform(-1.0, 1.0, (100_000, 1)))
    return float(generated.mean()), float(generated.std())


def main():
    print(f"target  mean {MEAN:.3f}  standard deviation {STD:.3f}")
    for seed in range(3):
        mean, std = train(seed)
        print(f"seed {seed}  mean {mean:.3f}  standard deviation {std:.3f}")


if __name__ == "__main__":
    main()
